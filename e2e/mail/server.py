#!/usr/bin/python3
"""A mail server for tests: keeps each message that it takes as a JSON file in a folder. Needs aiosmtpd."""

import argparse
import email
import email.policy
import json
import os
import signal
import ssl
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

arguments = argparse.ArgumentParser()
arguments.add_argument("port", type=int)
arguments.add_argument("folder")
arguments.add_argument("--security", choices=["none", "starttls", "tls"], default="none")
arguments.add_argument("--certificate", help="PEM file with certificate and key")
arguments.add_argument("--login", help="user:password that a client has to give")
arguments = arguments.parse_args()
warnings.simplefilter("ignore")


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    return context


def authenticate(server, session, envelope, mechanism, given):
    user = given.login.decode() + ":" + given.password.decode()
    return AuthResult(success=user == arguments.login, handled=False)


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 5.1.1 There is no such mailbox"
        if address.startswith("later"):
            return "451 4.7.1 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (body.get_content() if (body := message.get_body((kind,))) else None)
        kept = {
            "to": envelope.rcpt_tos[0],
            "from": message["from"],
            "id": message["message-id"],
            "subject": message["subject"],
            "automatic": message["auto-submitted"],
            "text": part("plain"),
            "html": part("html"),
            "encrypted": server.transport.get_extra_info("ssl_object") is not None,
            "login": session.authenticated,
        }
        # By its turn; whole as soon as it has its name.
        Handler.count += 1
        path = os.path.join(arguments.folder, f"{os.getpid()}-{Handler.count:06}")
        with open(path, "w") as file:
            json.dump(kept, file)
        os.rename(path, path + ".json")
        return "250 OK"


class Server(Controller):
    def factory(self):
        # With a name of its own: it would ask the network for one at each connection.
        options = {"hostname": "mail.example.com"}
        if arguments.login:
            options |= {"authenticator": authenticate, "auth_required": True}
        if arguments.security == "starttls":
            options |= {"tls_context": tls(), "require_starttls": True}
        return SMTP(self.handler, auth_require_tls=arguments.security == "starttls", **options)


os.makedirs(arguments.folder, exist_ok=True)
server = Server(
    Handler(),
    hostname="127.0.0.1",
    port=arguments.port,
    ssl_context=tls() if arguments.security == "tls" else None,
)
server.start()
signal.sigwait({signal.SIGTERM, signal.SIGINT})
