//! Words of the database that can't be read, because another version, a person or a broken disk wrote them. One of them must not
//! take a whole list with it: it is logged with its table, column and row, and what the row becomes is marked as damaged. What
//! security depends on becomes what allows least.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::{
    Database, Decode, Postgres, Sqlite, Type, error::BoxDynError, postgres::PgValueRef,
    sqlite::SqliteValueRef, types::Json,
};
use std::{
    collections::HashSet,
    fmt::Display,
    sync::{LazyLock, Mutex, PoisonError},
};
use uuid::Uuid;

/// A JSON column, read only when it is asked for.
pub struct Text(Box<str>);

impl Type<Sqlite> for Text {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <Json<()> as Type<Sqlite>>::type_info()
    }
    fn compatible(info: &<Sqlite as Database>::TypeInfo) -> bool {
        <Json<()> as Type<Sqlite>>::compatible(info)
    }
}

impl<'r> Decode<'r, Sqlite> for Text {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Sqlite>>::decode(value)?.into()))
    }
}

impl Type<Postgres> for Text {
    fn type_info() -> <Postgres as Database>::TypeInfo {
        <Json<()> as Type<Postgres>>::type_info()
    }
    fn compatible(info: &<Postgres as Database>::TypeInfo) -> bool {
        <Json<()> as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Text {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let raw = <Json<Box<RawValue>> as Decode<Postgres>>::decode(value)?;
        Ok(Self(raw.0.get().into()))
    }
}

/// A table, a column of it, and a row.
type Place = (&'static str, &'static str, Uuid);

/// Reads the words of one row.
pub struct RowReader {
    table: &'static str,
    row: Uuid,
    damaged: Vec<&'static str>,
}

impl RowReader {
    /// Those of the row with this id.
    pub fn of(table: &'static str, row: impl Into<Uuid>) -> Self {
        Self { table, row: row.into(), damaged: Vec::new() }
    }

    /// What a JSON column says, or `instead`.
    pub fn json<T: DeserializeOwned>(
        &mut self,
        column: &'static str,
        text: &Text,
        instead: impl FnOnce() -> T,
    ) -> T {
        serde_json::from_str(&text.0).unwrap_or_else(|error| {
            self.report(column, &error);
            instead()
        })
    }

    /// As [`Self::json`], of a column that may be empty.
    pub fn maybe<T: DeserializeOwned>(&mut self, column: &'static str, text: Option<&Text>) -> Option<T> {
        self.json(column, text?, || None)
    }

    /// What another column says, or `instead` where `read` is none.
    pub fn word<T>(&mut self, column: &'static str, read: Option<T>, instead: T) -> T {
        read.unwrap_or_else(|| {
            self.report(column, &"no such word");
            instead
        })
    }

    /// The columns that could not be read.
    pub fn damaged(self) -> Vec<&'static str> {
        self.damaged
    }

    /// Writes it to the log, once for each process: lists are read all the time. The word itself may be a secret.
    fn report(&mut self, column: &'static str, why: &dyn Display) {
        static REPORTED: LazyLock<Mutex<HashSet<Place>>> = LazyLock::new(Mutex::default);
        self.damaged.push(column);
        let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.insert((self.table, column, self.row)) {
            tracing::error!(table = self.table, column, row = %self.row, %why, "the database holds a word that can't be read");
        }
    }
}
