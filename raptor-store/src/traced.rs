//! A span for each query: what is asked and how long it takes is seen within the request that it is for.

use futures_util::{
    FutureExt, Stream,
    future::BoxFuture,
    stream::{BoxStream, StreamExt},
};
use sqlx::{
    Connection, Database, Describe, Either, Execute, Executor, SqlStr, error::BoxDynError,
    postgres::PgQueryResult, sqlite::SqliteQueryResult,
};
use std::{
    fmt::Debug,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use tracing::{Instrument, Level, Span, field::Empty};

/// How much of a statement is shown, in characters.
const SHOWN: usize = 80;

/// A connection that gives each query a span (`query`, at level DEBUG) with the first words of its statement, how many rows came or
/// were changed, and the microseconds that it took. Parameters are in none: they may be secrets.
#[derive(Debug)]
pub(crate) struct Traced<'c, C>(pub &'c mut C);

/// What tells how many rows it changed.
pub(crate) trait Changed {
    fn rows(&self) -> u64;
}

impl Changed for SqliteQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

impl Changed for PgQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

/// The first words of a statement.
fn first_words(statement: &str) -> String {
    let mut words = String::new();
    for word in statement.split_whitespace() {
        if words.len() + word.len() > SHOWN {
            words.push('…');
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    words
}

/// A query whose text was looked at.
struct Looked<DB: Database> {
    sql: SqlStr,
    statement: Option<DB::Statement>,
    arguments: Option<Result<Option<DB::Arguments>, BoxDynError>>,
    persistent: bool,
}

impl<DB: Database> Looked<DB> {
    fn at<'q>(mut query: impl Execute<'q, DB>) -> Self {
        Self {
            statement: query.statement().cloned(),
            arguments: Some(query.take_arguments()),
            persistent: query.persistent(),
            sql: query.sql(),
        }
    }

    fn span(&self) -> Span {
        let statement = first_words(self.sql.as_str());
        tracing::debug_span!("query", statement, rows = Empty, elapsed_us = Empty)
    }
}

impl<DB: Database> Execute<'_, DB> for Looked<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }
    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }
    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.arguments.take().unwrap_or(Ok(None))
    }
    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// One query under way; tells its span what came of it when it is dropped.
struct Measured {
    span: Span,
    began: Instant,
    came: u64,
    changed: u64,
}

impl Measured {
    fn of(span: Span) -> Self {
        Self { span, began: Instant::now(), came: 0, changed: 0 }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.span.record("rows", if self.came > 0 { self.came } else { self.changed });
        self.span.record("elapsed_us", u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

/// The answers of a query.
struct Answers<'e, DB: Database> {
    answers: Many<'e, DB>,
    measured: Measured,
}

/// What a database answers to a query, piece by piece.
type Many<'e, DB> =
    BoxStream<'e, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

impl<DB: Database> Stream for Answers<'_, DB>
where
    DB::QueryResult: Changed,
{
    type Item = Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { answers, measured } = &mut *self;
        let answer = ready!(measured.span.in_scope(|| answers.poll_next_unpin(context)));
        match &answer {
            Some(Ok(Either::Left(done))) => measured.changed += done.rows(),
            Some(Ok(Either::Right(_))) => measured.came += 1,
            Some(Err(_)) | None => {}
        }
        Poll::Ready(answer)
    }
}

impl<'c, C> Executor<'c> for Traced<'c, C>
where
    C: Connection + Debug,
    &'c mut C: Executor<'c, Database = C::Database>,
    <C::Database as Database>::QueryResult: Changed,
{
    type Database = C::Database;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Many<'e, C::Database>
    where
        'c: 'e,
        E: 'q + Execute<'q, C::Database>,
    {
        if !tracing::enabled!(Level::DEBUG) {
            return self.0.fetch_many(query);
        }
        let query = Looked::at(query);
        let measured = Measured::of(query.span());
        Answers::<C::Database> { answers: self.0.fetch_many(query), measured }.boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<<C::Database as Database>::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, C::Database>,
    {
        if !tracing::enabled!(Level::DEBUG) {
            return self.0.fetch_optional(query);
        }
        let query = Looked::at(query);
        let mut measured = Measured::of(query.span());
        let span = measured.span.clone();
        let answer = self.0.fetch_optional(query);
        async move {
            let answer = answer.await;
            measured.came = u64::from(matches!(answer, Ok(Some(_))));
            drop(measured);
            answer
        }
        .instrument(span)
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<C::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<C::Database as Database>::Statement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.0.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<C::Database>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.0.describe(sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_shown_by_its_first_words() {
        assert_eq!(first_words("SELECT 1"), "SELECT 1");
        let long = "SELECT id,\n       name FROM containers WHERE owner_id = $1 AND deleting_at IS NULL ORDER BY name_key";
        assert_eq!(
            first_words(long),
            "SELECT id, name FROM containers WHERE owner_id = $1 AND deleting_at IS NULL ORDER…"
        );
    }
}
