//! Rate limits that all replicas count together.

use super::{Conn, on};
use chrono::{DateTime, TimeDelta, Utc};
use raptor_model::Result;
use std::time::Duration;

/// Counts one attempt against two limits; each attempt uses up a share of the limit's `window`. Returns `None` if both had room,
/// otherwise how long to wait until both do. What is stored per limit is the time at which its whole window is free again.
pub async fn count(
    c: &mut Conn<'_>,
    [(first, first_share), (second, second_share)]: [(Vec<u8>, Duration); 2],
    now: DateTime<Utc>,
    window: Duration,
) -> Result<Option<Duration>> {
    let now = now.timestamp_micros();
    let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4);
    // Both rows in one statement and always in the same order, the narrower limit first, so that two callers can't deadlock.
    let counted: Vec<i64> = on!(c, |c| {
        sqlx::query_scalar(
        "INSERT INTO attempts (digest, free_at_us) VALUES ($1, $3 + $4), ($2, $3 + $5)
         ON CONFLICT (digest) DO UPDATE
         SET free_at_us = CASE WHEN attempts.free_at_us > $3 THEN attempts.free_at_us ELSE $3 END + excluded.free_at_us - $3
         WHERE attempts.free_at_us + excluded.free_at_us <= $3 + $3 + $6
         RETURNING free_at_us",
    )
    .bind(&first)
    .bind(&second)
    .bind(now)
    .bind(us(first_share))
    .bind(us(second_share))
    .bind(us(window))
    .fetch_all(c)
    .await
    })?;
    if counted.len() == 2 {
        return Ok(None);
    }
    let free_at: Vec<(Vec<u8>, i64)> =
        on!(c, |c| sqlx::query_as("SELECT digest, free_at_us FROM attempts WHERE digest IN ($1, $2)")
            .bind(&first)
            .bind(&second)
            .fetch_all(c)
            .await)?;
    let wait = |(digest, free_at): (Vec<u8>, i64)| {
        let share = if digest == first { first_share } else { second_share };
        free_at + us(share) - us(window) - now
    };
    let longest = free_at.into_iter().map(wait).max().unwrap_or(0).max(0);
    Ok(Some(TimeDelta::microseconds(longest).to_std().unwrap_or_default()))
}

/// Deletes the rows of limits whose window is completely free again.
pub async fn forget_free(c: &mut Conn<'_>, now: DateTime<Utc>) -> Result<()> {
    on!(c, |c| sqlx::query("DELETE FROM attempts WHERE free_at_us <= $1")
        .bind(now.timestamp_micros())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
