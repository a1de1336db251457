//! Users' public keys, for SFTP. Types and rules; operations are in [`service`].
//!
//! Keys on hardware tokens (`sk-…@openssh.com`) are accepted. The token's signature is verified, but not whether somebody
//! touched it, since russh does not expose a signature's flags.

pub mod service;

use crate::{Error, Result};
use ssh_key::{Algorithm, HashAlg, PublicKey, public::KeyData};

pub use raptor_model::sshkeys::SshKey;

/// Most keys per account.
pub const MAX_KEYS: i64 = 50;
/// The shortest accepted RSA key, in bits (NIST SP 800-131A).
const MIN_RSA_BITS: usize = 2_048;
/// The longest accepted line, in bytes. An RSA key of 16,384 bits takes 2,800.
const MAX_LINE: usize = 8_192;

/// A parsed line of an `id_ed25519.pub` file or the like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsedKey {
    /// The algorithm of the key, as in [`SshKey`].
    pub algorithm: String,
    /// The fingerprint of the key, as in [`SshKey`].
    pub fingerprint: String,
    /// The key in OpenSSH's one-line format, as in [`SshKey`].
    pub public_key: String,
    /// The comment after the key, often `user@host`.
    pub comment: String,
}

/// Parses a public key in OpenSSH's one-line format (`ssh-ed25519 AAAA… comment`).
///
/// # Errors
/// [`Error::Invalid`] at `public_key`.
pub fn parse(text: &str) -> Result<ParsedKey> {
    let refuse = |why: &str| Error::invalid("public_key", why);
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return Err(refuse(
            "This is a private key. Keep it to yourself, and paste the line from the file that ends in .pub.",
        )
        .because("private_key"));
    }
    if text.len() > MAX_LINE || text.lines().count() > 1 {
        return Err(refuse("Paste one key: a single line such as `ssh-ed25519 AAAA… you@computer`.")
            .because("key_line"));
    }
    let mut key = PublicKey::from_openssh(text).map_err(|_| {
        refuse("This is not a public key. Paste the line from a file such as ~/.ssh/id_ed25519.pub.")
            .because("not_a_key")
    })?;
    match (key.algorithm(), key.key_data()) {
        (Algorithm::Ed25519 | Algorithm::Ecdsa { .. }, _) => {}
        (Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256, _) => {}
        (_, KeyData::Rsa(rsa)) if rsa.key_size() as usize >= MIN_RSA_BITS => {}
        (_, KeyData::Rsa(_)) => {
            return Err(refuse(
                "This RSA key is too short. Create a new one with `ssh-keygen -t ed25519` and paste that.",
            )
            .because("key_short"));
        }
        _ => {
            return Err(refuse(
                "Keys of this kind are not supported. Create one with `ssh-keygen -t ed25519` and paste that.",
            ).because("key_kind"));
        }
    }
    let comment = key.comment().as_str_lossy().trim().to_owned();
    key.set_comment("");
    let public_key = key.to_openssh().map_err(Error::internal)?.trim().to_owned();
    Ok(ParsedKey {
        algorithm: key.algorithm().as_str().to_owned(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        public_key,
        comment,
    })
}

/// Validates a key's name; without one, uses the key's comment.
///
/// # Errors
/// [`Error::Invalid`] at `name`.
pub fn check_name(name: Option<&str>, key: &ParsedKey) -> Result<String> {
    let given = name.map(str::trim).filter(|name| !name.is_empty());
    let comment: String = key.comment.chars().filter(|c| !c.is_control()).take(64).collect();
    let name = match given {
        Some(name) => name.to_owned(),
        None if comment.is_empty() => key.algorithm.clone(),
        None => comment,
    };
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "Use at most 64 characters.").because("too_long").with("max", 64));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti user@example.com";

    const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAICFo/k5LU8863u66YC9eUO2170QduohPURkQnbLa/dczAAAABHNzaDo= user@example.com";
    const SK_ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBIELQJ2DgvaX1yQlKFokfWM2suuaCFI2qp0eJodHyg6O4ifxc3XpRKd1OS8dNYQtE/YjdXSrA+AOnMF5ns2Nkx4AAAAEc3NoOg== user@example.com";
    const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBALmJrjlFqR96Qrw+LbTUghqw6ha7K5JWWXXLZaDJz/qOWgKxiezF9spYpBqJKXFCFYODBtJXErrUdCcjgoelE7tcZK3Ec4/licrzCOrVmhCd5IQXswYUTMCUfQiaeWCV3QzFCnMh1GLxuYNzEwnYgQgQRN6rJfQBJ7HHyzrwMbWlAAAAFQDKjYYxBMICr47Dzn53IP8uaZmf5QAAAIBTuRCqop0vwqoYt98DBiqfmpUSptzatoCUE06ExATCKrFU5MomyAkOk1cwM36FzSzIuN71aY46k4z77vb7kvVW/BI8vxDJ242ht76CiCWsUL7kpoCfiyFC+L8dW5bhM64kOpexAU/XSxsxgMxSDKyl29mmQk7287zKUwD2QiU7mQAAAIBOgyJ6TWYAUCGKa8mRKfdIRgTdnPJOliGfl9MdEHfMAqbNCnInTP6gICla089ay+zgyVUT/yYiKLsovDw+2nPCntZYzFxWviJ5qXLtpztyHdsgOAn9iWWPOVvW4wagK2plSJiXTRUKDZOld4DBkTgtVKEVniOrPeDs5qTqrNuu/A== x";

    #[test]
    fn a_key_is_read_with_its_fingerprint_and_comment() {
        let key = parse(&format!("  {ED25519}\n")).unwrap();
        assert_eq!(key.algorithm, "ssh-ed25519");
        assert_eq!(key.fingerprint, "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ");
        assert_eq!(key.comment, "user@example.com");
        assert!(!key.public_key.contains("example"));
        assert_eq!(check_name(None, &key).unwrap(), "user@example.com");
        assert_eq!(check_name(Some(" laptop "), &key).unwrap(), "laptop");
    }

    #[test]
    fn keys_on_tokens_are_taken_and_dsa_is_not() {
        for key in [SK_ED25519, SK_ECDSA] {
            let algorithm = key.split_once(' ').unwrap().0;
            assert_eq!(parse(key).unwrap().algorithm, algorithm);
        }
        assert!(parse(DSA).unwrap_err().to_string().contains("not supported"));
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_what_to_paste() {
        for (text, hint) in [
            ("", ".pub"),
            ("hello", ".pub"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nx", "private key"),
            (&format!("{ED25519}\n{ED25519}"), "one key"),
            (&"a".repeat(10_000), "one key"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(&error, Error::Invalid { field, why } if field == "public_key" && why.contains(hint)),
                "{error}"
            );
        }
    }
}
