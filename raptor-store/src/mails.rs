//! The outbox of mails, and what became of those that were sent.

use super::{Conn, on};
use chrono::{DateTime, Utc};
use raptor_model::{
    Result,
    id::{MailId, UserId},
    mails::{Mail, MailCounts, MailFailure},
    nul,
    paging::{Page, PageRequest},
};

/// A mail to add to the outbox.
pub struct New<'a> {
    pub id: MailId,
    pub kind: &'a str,
    /// The user it is about and the address it goes to, if known.
    pub to: Option<(UserId, &'a str)>,
    pub sealed: Vec<u8>,
    pub at: DateTime<Utc>,
    /// From then on the mail is useless, e.g. because its link has expired.
    pub expires_at: DateTime<Utc>,
}

/// A mail that is leased for sending.
#[derive(Debug, sqlx::FromRow)]
pub struct Outgoing {
    pub id: MailId,
    pub user_id: Option<UserId>,
    pub recipient: Option<String>,
    pub sealed: Vec<u8>,
    /// Attempts so far, including this one.
    pub attempts: i64,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub async fn insert(c: &mut Conn<'_>, new: New<'_>) -> Result<()> {
    on!(c, |c| {
        sqlx::query(
        "INSERT INTO mails (id, kind, user_id, recipient, sealed, attempts, run_after, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $6)",
    )
    .bind(new.id)
    .bind(new.kind)
    .bind(new.to.map(|(user, _)| user))
    .bind(new.to.map(|(_, address)| address))
    .bind(new.sealed)
    .bind(new.at)
    .bind(new.expires_at)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Stores a mail whose outcome is already known, with the error if it failed.
pub async fn insert_ended(
    c: &mut Conn<'_>,
    (id, kind): (MailId, &str),
    (user, recipient): (UserId, &str),
    error: Option<&str>,
    at: DateTime<Utc>,
) -> Result<()> {
    on!(c, |c| {
        sqlx::query(
        "INSERT INTO mails (id, kind, user_id, recipient, attempts, run_after, expires_at, created_at, tried_at, sent_at,
                            given_up_at, last_error)
         VALUES ($1, $2, $3, $4, 1, $5, $5, $5, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(kind)
    .bind(user)
    .bind(recipient)
    .bind(at)
    .bind(error.is_none().then_some(at))
    .bind(error.map(|_| at))
    .bind(error.map(nul::replaced))
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// How many mails wait to be sent, of one kind or of all.
pub async fn waiting(c: &mut Conn<'_>, kind: Option<&str>) -> Result<i64> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM mails WHERE sealed IS NOT NULL AND ($1 IS NULL OR kind = $1)"
    )
    .bind(kind)
    .fetch_one(c)
    .await)?)
}

/// How many mails of this kind were created for the user since then.
pub async fn recent(c: &mut Conn<'_>, user: UserId, kind: &str, since: DateTime<Utc>) -> Result<i64> {
    Ok(on!(c, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM mails WHERE user_id = $1 AND kind = $2 AND created_at > $3"
    )
    .bind(user)
    .bind(kind)
    .bind(since)
    .fetch_one(c)
    .await)?)
}

/// Leases the mail that has been due the longest until `lease`.
pub async fn claim(c: &mut Conn<'_>, now: DateTime<Utc>, lease: DateTime<Utc>) -> Result<Option<Outgoing>> {
    // SQLite has one writer and needs no row locks; on PostgreSQL several replicas claim at the same time.
    const SQLITE: &str = "UPDATE mails SET leased_until = $2, tried_at = $1, attempts = attempts + 1
         WHERE id = (SELECT id FROM mails
                     WHERE sealed IS NOT NULL AND run_after <= $1 AND (leased_until IS NULL OR leased_until < $1)
                     ORDER BY run_after LIMIT 1)
         RETURNING id, user_id, recipient, sealed, attempts, created_at, expires_at";
    const POSTGRES: &str = "UPDATE mails SET leased_until = $2, tried_at = $1, attempts = attempts + 1
         WHERE id = (SELECT id FROM mails
                     WHERE sealed IS NOT NULL AND run_after <= $1 AND (leased_until IS NULL OR leased_until < $1)
                     ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, user_id, recipient, sealed, attempts, created_at, expires_at";
    Ok(match c {
        Conn::Sqlite(c) => sqlx::query_as(SQLITE).bind(now).bind(lease).fetch_optional(&mut **c).await?,
        Conn::Postgres(c) => sqlx::query_as(POSTGRES).bind(now).bind(lease).fetch_optional(&mut **c).await?,
    })
}

/// Stores which user a mail is about and where it goes.
pub async fn address(c: &mut Conn<'_>, id: MailId, user: UserId, recipient: &str) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE mails SET user_id = $2, recipient = $3 WHERE id = $1")
        .bind(id)
        .bind(user)
        .bind(recipient)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub async fn delete(c: &mut Conn<'_>, id: MailId) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM mails WHERE id = $1").bind(id).execute(c).await.map(drop))?;
    Ok(())
}

/// Marks a mail as accepted by the mail server, and deletes its content.
pub async fn sent(c: &mut Conn<'_>, id: MailId, at: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE mails SET sent_at = $2, sealed = NULL, leased_until = NULL, last_error = NULL WHERE id = $1"
    )
    .bind(id)
    .bind(at)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

pub async fn postpone(
    c: &mut Conn<'_>,
    outgoing: &Outgoing,
    until: DateTime<Utc>,
    error: &str,
) -> Result<()> {
    // The number of attempts identifies the lease: a later holder has a higher one.
    on!(c, |c| {
        sqlx::query(
        "UPDATE mails SET leased_until = NULL, run_after = $3, last_error = $4 WHERE id = $1 AND attempts = $2"
    )
    .bind(outgoing.id)
    .bind(outgoing.attempts)
    .bind(until)
    .bind(nul::replaced(error))
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Marks a mail as failed for good, and deletes its content.
pub async fn give_up(c: &mut Conn<'_>, id: MailId, at: DateTime<Utc>, error: &str) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE mails SET given_up_at = $2, last_error = $3, sealed = NULL, leased_until = NULL
         WHERE id = $1 AND sealed IS NOT NULL"
    )
    .bind(id)
    .bind(at)
    .bind(nul::replaced(error))
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Gives up mails that have expired, even if no mail server is set up any more.
pub async fn expire(c: &mut Conn<'_>, now: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query(
        "UPDATE mails SET given_up_at = $1, sealed = NULL, leased_until = NULL,
                          last_error = COALESCE(last_error, 'No mail server is set up.')
         WHERE sealed IS NOT NULL AND expires_at <= $1 AND (leased_until IS NULL OR leased_until < $1)"
    )
    .bind(now)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Deletes mails that ended before `since`, and all but the newest `keep`.
pub async fn prune(c: &mut Conn<'_>, since: DateTime<Utc>, keep: i64) -> Result<()> {
    on!(c, |c| {
        sqlx::query(
        "DELETE FROM mails
         WHERE sealed IS NULL
           AND (created_at < $1
                OR id IN (SELECT id FROM mails WHERE sealed IS NULL ORDER BY id DESC LIMIT 1000000 OFFSET $2))"
    )
    .bind(since)
    .bind(keep)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: MailId,
    kind: String,
    recipient: Option<String>,
    attempts: i64,
    run_after: DateTime<Utc>,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    given_up_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
}

impl From<Row> for Mail {
    fn from(row: Row) -> Self {
        let Row { id, kind, recipient, attempts, run_after, created_at, sent_at, given_up_at, last_error } =
            row;
        let waits = sent_at.is_none() && given_up_at.is_none();
        let next_try_at = waits.then_some(run_after);
        Self { id, kind, recipient, attempts, created_at, next_try_at, sent_at, given_up_at, last_error }
    }
}

/// One page of mails, newest first; with `only_unsent`, only those that were not sent.
pub async fn list(c: &mut Conn<'_>, only_unsent: bool, page: &PageRequest) -> Result<Page<Mail>> {
    let before = page.after::<MailId>()?;
    let rows: Vec<Row> = on!(c, |c| {
        sqlx::query_as(
        "SELECT id, kind, recipient, attempts, run_after, created_at, sent_at, given_up_at, last_error FROM mails
         WHERE ($1 IS NULL OR id < $1) AND (sent_at IS NULL OR NOT $2)
         ORDER BY id DESC LIMIT $3"
    )
    .bind(before)
    .bind(only_unsent)
    .bind(page.fetch())
    .fetch_all(c)
    .await
    })?;
    let total = if page.with_total {
        Some(on!(c, |c| sqlx::query_scalar("SELECT COUNT(*) FROM mails WHERE (sent_at IS NULL OR NOT $1)")
            .bind(only_unsent)
            .fetch_one(c)
            .await)?)
    } else {
        None
    };
    Ok(page.cut(rows.into_iter().map(Mail::from).collect(), total, |mail: &Mail| mail.id))
}

/// How many mails wait, when one was last accepted, and the newest error since then with its time.
pub async fn counts(c: &mut Conn<'_>) -> Result<MailCounts> {
    let (waiting, given_up, last_sent_at): (i64, i64, Option<DateTime<Utc>>) = on!(c, |c| {
        sqlx::query_as(
        "SELECT COALESCE(SUM(CASE WHEN sealed IS NOT NULL THEN 1 ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN given_up_at IS NOT NULL THEN 1 ELSE 0 END), 0), MAX(sent_at) FROM mails"
    )
    .fetch_one(c)
    .await
    })?;
    let newest: Option<(DateTime<Utc>, String)> = on!(c, |c| sqlx::query_as(
        "SELECT tried_at, last_error FROM mails WHERE last_error IS NOT NULL AND tried_at IS NOT NULL
         ORDER BY tried_at DESC LIMIT 1"
    )
    .fetch_optional(c)
    .await)?;
    let last_error = newest
        .filter(|(at, _)| last_sent_at.is_none_or(|sent| sent <= *at))
        .map(|(at, message)| MailFailure { at, message });
    Ok(MailCounts { waiting, given_up, last_sent_at, last_error })
}

/// Whether the user wants mails about access to containers.
pub async fn wants_access_notices(c: &mut Conn<'_>, user: UserId) -> Result<bool> {
    let wants: Option<bool> =
        on!(c, |c| sqlx::query_scalar("SELECT access_notices FROM users WHERE id = $1")
            .bind(user)
            .fetch_optional(c)
            .await)?;
    Ok(wants.unwrap_or(false))
}

pub async fn set_access_notices(c: &mut Conn<'_>, user: UserId, wants: bool) -> Result<()> {
    on!(c, |c| sqlx::query("UPDATE users SET access_notices = $2 WHERE id = $1")
        .bind(user)
        .bind(wants)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
