//! The worker that sends mails, retrying each until it is accepted or has expired.

use super::{
    MailTransport, Message, SendError,
    notices::{Content, Envelope, PASSWORD_RESET},
};
use crate::{
    Error, Raptor, Result,
    activity::Activity,
    authz::Actor,
    id::{MailId, UserId},
    store::{
        self, Change, FeedEvent, Subject, Tx, Verb,
        mails::{New, Outgoing},
    },
    users::User,
    warnings::warn_of,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore};

/// How long a replica may hold a mail before another one may take it.
const LEASE: TimeDelta = TimeDelta::minutes(3);
/// How long the transport may take. Less than the lease, so that no two replicas send the same mail.
const SEND_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a shutdown waits for a mail that is being sent.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the table is polled, in case no notification arrives.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Mails sent at the same time.
const CONCURRENCY: usize = 4;
/// The first and the longest pause between two attempts, in seconds. Each is twice as long as the previous one.
const FIRST_PAUSE_S: i64 = 15;
const MAX_PAUSE_S: i64 = 3_600;
/// When a notification expires. Mail servers give up after four or five days as well (RFC 5321, section 4.5.4.1).
const GIVE_UP: TimeDelta = TimeDelta::days(4);
/// When a password reset mail expires: by then the user has requested another one, or asked somebody.
const GIVE_UP_LINK: TimeDelta = TimeDelta::hours(6);
/// Password reset mails per account and hour, from whatever address they are requested, so that nobody floods a mailbox.
const LINKS_AN_HOUR: i64 = 3;
/// The same for each kind of notification that other users can trigger.
const NOTICES_AN_HOUR: i64 = 10;
/// Most mails that may wait: of password resets, which leaves room for notifications, and in total.
const LINKS_WAITING: i64 = 1_000;
const WAITING: i64 = 10_000;
/// How long, and for how many mails, the outcome is kept.
const KEPT: TimeDelta = TimeDelta::days(30);
const KEPT_COUNT: i64 = 5_000;

/// The mail settings.
#[derive(Clone)]
pub(crate) struct MailSettings {
    pub(crate) transport: Arc<dyn MailTransport>,
    /// The panel's base URL, without a trailing slash.
    pub(crate) panel: String,
}

impl MailSettings {
    /// Sends a mail, and gives up if the transport does not answer.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let slow = |_| SendError {
            why: format!("The mail server {} did not answer in time.", self.transport.name()),
            permanent: false,
        };
        tokio::time::timeout(SEND_TIMEOUT, self.transport.send(message)).await.map_err(slow).flatten()
    }
}

/// Queues a mail about `content` to the user at `address` in the transaction of the change. Does nothing if mail is not set up.
pub(crate) async fn notify(
    raptor: &Raptor,
    tx: &mut Tx,
    (user, address): (UserId, &str),
    content: Content,
) -> Result<()> {
    if raptor.inner.mail.is_none() {
        return Ok(());
    }
    let now = raptor.inner.clock.now();
    // The change itself must not fail because too many mails are waiting.
    if store::mails::waiting(&mut tx.conn(), None).await? >= WAITING {
        tracing::warn!(kind = content.kind(), "too many mails are waiting; a notification is dropped");
        return Ok(());
    }
    let others_cause_it = matches!(content, Content::AccessGranted { .. });
    if others_cause_it {
        let since = now - TimeDelta::hours(1);
        if store::mails::recent(&mut tx.conn(), user, content.kind(), since).await? >= NOTICES_AN_HOUR {
            return Ok(());
        }
    }
    enqueue(raptor, tx, Some((user, address)), &content, now + GIVE_UP).await
}

/// Queues a password reset mail. The account is looked up when the mail is sent, so neither the answer nor its timing reveals
/// whether it exists.
pub(crate) async fn ask_for_link(raptor: &Raptor, login: &str, ip: Option<IpAddr>) -> Result<()> {
    let content = Content::PasswordReset { login: login.to_owned(), ip };
    let mut tx = raptor.inner.store.begin().await?;
    if store::mails::waiting(&mut tx.conn(), Some(PASSWORD_RESET)).await? >= LINKS_WAITING {
        return Err(Error::Unavailable {
            code: "mail_busy",
            message: "Too many mails are waiting to be sent. Try again in a few minutes.".into(),
        });
    }
    enqueue(raptor, &mut tx, None, &content, raptor.inner.clock.now() + GIVE_UP_LINK).await?;
    tx.commit().await
}

async fn enqueue(
    raptor: &Raptor,
    tx: &mut Tx,
    to: Option<(UserId, &str)>,
    content: &Content,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    let id = MailId::generate();
    let text = serde_json::to_string(content).map_err(Error::internal)?;
    let sealed = raptor.inner.sealer.seal(id.as_uuid().as_bytes(), &text)?;
    let at = raptor.inner.clock.now();
    let new = New { id, kind: content.kind(), to, sealed, at, expires_at };
    store::mails::insert(&mut tx.conn(), new).await?;
    tx.emit(Change::new(Subject::Mail, Verb::Created, id));
    Ok(())
}

/// Sends mails until Raptor is shut down.
pub(crate) async fn work(raptor: Raptor, settings: MailSettings) {
    let wake = Arc::new(Notify::new());
    let waker = wake.clone();
    raptor.inner.store.feed().hook(move |heard| {
        let due = match heard {
            FeedEvent::Change(change) => (change.subject, change.verb) == (Subject::Mail, Verb::Created),
            FeedEvent::Gap => true,
        };
        if due {
            waker.notify_one();
        }
    });
    let turns = Arc::new(Semaphore::new(CONCURRENCY));
    while !raptor.inner.stop.is_cancelled() {
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        match claim(&raptor).await {
            Ok(Some(outgoing)) => {
                let (raptor, settings) = (raptor.clone(), settings.clone());
                raptor.inner.tasks.clone().spawn(async move {
                    let farewell = async {
                        raptor.inner.stop.cancelled().await;
                        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
                    };
                    // If this is cancelled, the mail is sent again after the lease.
                    tokio::select! {
                        () = farewell => {}
                        () = process(&raptor, &settings, &outgoing) => {}
                    }
                    drop(turn);
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => warn_of!(raptor, error, "reading the outbox failed"),
        }
        drop(turn);
        tokio::select! {
            () = raptor.inner.stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

async fn claim(raptor: &Raptor) -> Result<Option<Outgoing>> {
    let now = raptor.inner.clock.now();
    let mut tx = raptor.inner.store.begin().await?;
    let outgoing = store::mails::claim(&mut tx.conn(), now, now + LEASE).await?;
    tx.commit().await?;
    Ok(outgoing)
}

async fn process(raptor: &Raptor, settings: &MailSettings, outgoing: &Outgoing) {
    let ended = match compose(raptor, settings, outgoing).await {
        Ok(Some(message)) => settings.send(&message).await,
        Ok(None) => return forget(raptor, outgoing).await,
        // What the key does not open now, it never will.
        Err(error @ Error::Conflict { .. }) => Err(SendError { why: error.to_string(), permanent: true }),
        Err(error) => Err(SendError { why: error.to_string(), permanent: false }),
    };
    if let Err(error) = settle(raptor, outgoing, ended).await {
        warn_of!(raptor, error, id = %outgoing.id, "a mail's outcome was not recorded; it may be sent again");
    }
}

async fn forget(raptor: &Raptor, outgoing: &Outgoing) {
    let forgotten = async {
        let mut tx = raptor.inner.store.begin().await?;
        store::mails::delete(&mut tx.conn(), outgoing.id).await?;
        tx.commit().await
    };
    if let Err(error) = forgotten.await {
        warn_of!(raptor, error, id = %outgoing.id, "deleting a mail without a recipient failed");
    }
}

async fn settle(raptor: &Raptor, outgoing: &Outgoing, ended: Result<(), SendError>) -> Result<()> {
    let now = raptor.inner.clock.now();
    let mut tx = raptor.inner.store.begin().await?;
    match ended {
        Ok(()) => store::mails::sent(&mut tx.conn(), outgoing.id, now).await?,
        Err(SendError { why, permanent }) => {
            let next = now + pause(outgoing.attempts);
            if permanent || next >= outgoing.expires_at {
                tracing::warn!(why, id = %outgoing.id, "giving up on a mail");
                store::mails::give_up(&mut tx.conn(), outgoing.id, now, &why).await?;
            } else {
                tracing::warn!(why, id = %outgoing.id, attempts = outgoing.attempts, "sending a mail failed and will be retried");
                store::mails::postpone(&mut tx.conn(), outgoing, next, &why).await?;
            }
        }
    }
    tx.emit(Change::new(Subject::Mail, Verb::Updated, outgoing.id));
    tx.commit().await
}

fn pause(attempts: i64) -> TimeDelta {
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
    TimeDelta::seconds(FIRST_PAUSE_S.saturating_mul(2_i64.saturating_pow(doublings)).min(MAX_PAUSE_S))
}

/// The mail to send, or `None` if nothing is to be sent.
async fn compose(raptor: &Raptor, settings: &MailSettings, outgoing: &Outgoing) -> Result<Option<Message>> {
    let text = raptor.inner.sealer.open(outgoing.id.as_uuid().as_bytes(), &outgoing.sealed)?;
    let content = serde_json::from_str(&text).map_err(|_| {
        Error::conflict(
            "unknown_mail",
            "This mail was written by another version of Raptor, which this one can't read.",
        )
    })?;
    let envelope = |to| Envelope { id: outgoing.id, to, panel: &settings.panel, at: outgoing.created_at };
    if let Content::PasswordReset { login, ip } = &content {
        let Some(user) = whose(raptor, outgoing, login, *ip).await? else { return Ok(None) };
        let token = raptor.auth().reset_token(&user).await?;
        return Ok(token.map(|token| envelope(&user.email).password_reset(&user.username, &token, *ip)));
    }
    Ok(outgoing.recipient.as_deref().and_then(|to| envelope(to).notice(&content)))
}

/// The user that a password reset mail goes to, unless they got enough of them. Looked up only once per mail.
async fn whose(
    raptor: &Raptor,
    outgoing: &Outgoing,
    login: &str,
    ip: Option<IpAddr>,
) -> Result<Option<User>> {
    let mut tx = raptor.inner.store.begin().await?;
    let user = match outgoing.user_id {
        Some(id) => store::users::find(&mut tx.conn(), id).await?,
        None => store::users::find_by_login(&mut tx.conn(), login).await?,
    };
    let Some(user) = user.filter(|user| !user.suspended) else { return Ok(None) };
    if outgoing.user_id.is_none() {
        // Others that send mails to this account wait, so the count below stays valid until the commit.
        store::users::lock(&mut tx.conn(), user.id).await?;
        let since = raptor.inner.clock.now() - TimeDelta::hours(1);
        if store::mails::recent(&mut tx.conn(), user.id, PASSWORD_RESET, since).await? >= LINKS_AN_HOUR {
            return Ok(None);
        }
        let mut activity = Activity::new(&raptor.inner.clock, &Actor::System, "account.password_reset_asked")
            .on("user", user.id, &user.username);
        activity.ip = ip;
        store::activity::insert(&mut tx.conn(), &activity).await?;
    }
    store::mails::address(&mut tx.conn(), outgoing.id, user.id, &user.email).await?;
    tx.commit().await?;
    Ok(Some(user))
}

/// Gives up expired mails and deletes old outcomes.
pub(crate) async fn sweep(raptor: &Raptor, tx: &mut Tx) -> Result<()> {
    let now = raptor.inner.clock.now();
    store::mails::expire(&mut tx.conn(), now).await?;
    store::mails::prune(&mut tx.conn(), now - KEPT, KEPT_COUNT).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_seconds_to_an_hour_and_fill_days() {
        let pauses: Vec<i64> = (1..=100).map(|attempt| pause(attempt).num_seconds()).collect();
        assert_eq!(pauses[..4], [15, 30, 60, 120]);
        assert!(pauses.iter().all(|pause| *pause <= 3_600));
        let tries = (1..).scan(0, |at, n| {
            *at += pause(n).num_seconds();
            Some(*at)
        });
        let tries = tries.take_while(|at| *at < GIVE_UP.num_seconds()).count();
        assert!((90..120).contains(&tries), "{tries}");
        assert_eq!(pause(i64::MAX).num_seconds(), 3_600);
    }
}
