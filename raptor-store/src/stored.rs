//! Reading stored values that may be damaged because another version, a person or a failing disk wrote them. One damaged value
//! must not fail a whole list: it is logged with its table, column and row, and the record is marked as damaged. Where security
//! depends on the value, it is replaced by what allows least.

use raptor_model::node::tolerant::{self, Understood, UnknownPart};
use serde::de::DeserializeOwned;
use serde_json::{error::Category, value::RawValue};
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

/// A JSON column that is parsed on demand.
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

/// A table, a column and a row.
type Place = (&'static str, &'static str, Uuid);

/// Reads the values of one row, and remembers which were damaged.
pub struct RowReader {
    table: &'static str,
    row: Uuid,
    damaged: Vec<&'static str>,
}

impl RowReader {
    /// A reader for the row with this id.
    pub fn of(table: &'static str, row: impl Into<Uuid>) -> Self {
        Self { table, row: row.into(), damaged: Vec::new() }
    }

    /// The value of a JSON column, or `instead` if it is damaged.
    pub fn json<T: DeserializeOwned>(
        &mut self,
        column: &'static str,
        text: &Text,
        instead: impl FnOnce() -> T,
    ) -> T {
        let Understood { value, left_out, .. } = tolerant::read(text.0.as_bytes());
        for left_out in left_out {
            self.report_left_out(column, &left_out);
        }
        value.unwrap_or_else(|error| {
            // Its own words would show what stands there.
            let what = match error.classify() {
                Category::Data => "another kind of value is expected",
                Category::Syntax | Category::Eof | Category::Io => "it is no JSON",
            };
            self.report(column, &format_args!("{what} at line {} column {}", error.line(), error.column()));
            instead()
        })
    }

    /// The value of a nullable JSON column; `None` also if it is damaged.
    pub fn maybe<T: DeserializeOwned>(&mut self, column: &'static str, text: Option<&Text>) -> Option<T> {
        self.json(column, text?, || None)
    }

    /// The value of another column, or `instead` if `read` is `None`.
    pub fn word<T>(&mut self, column: &'static str, read: Option<T>, instead: T) -> T {
        read.unwrap_or_else(|| {
            self.report(column, &"unknown value");
            instead
        })
    }

    /// The columns that were damaged.
    pub fn damaged(self) -> Vec<&'static str> {
        self.damaged
    }

    /// Logs what a newer version stored and this one reads without, once per process and column.
    fn report_left_out(&self, column: &'static str, left_out: &UnknownPart) {
        static REPORTED: LazyLock<Mutex<HashSet<Place>>> = LazyLock::new(Mutex::default);
        let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.insert((self.table, column, self.row)) {
            tracing::warn!(
                table = self.table, column, row = %self.row, %left_out,
                "a part of a stored value is of a newer version, and is left out"
            );
        }
    }

    /// Logs a damaged column once per process, since lists are read all the time. Never logs the value, which may be a secret.
    fn report(&mut self, column: &'static str, why: &dyn Display) {
        static REPORTED: LazyLock<Mutex<HashSet<Place>>> = LazyLock::new(Mutex::default);
        self.damaged.push(column);
        let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.insert((self.table, column, self.row)) {
            tracing::error!(table = self.table, column, row = %self.row, %why, "a stored value is damaged");
        }
    }
}
