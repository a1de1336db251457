//! TOML: comments, order and whitespace stay unchanged.

use super::{
    ConfigFileError,
    tree::{self, Op, Part},
};
use crate::templates::ConfigEdit;
use serde_json::{Map, Number, Value};
use toml_edit::{Array, DocumentMut, InlineTable, Item, TableLike, Value as Toml};

const MALFORMED: ConfigFileError = ConfigFileError::Malformed("TOML");

pub(super) fn edit(text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let mut document: DocumentMut = text.parse().map_err(|_| MALFORMED)?;
    let before = table(document.as_table());
    let (after, ops) = tree::edit(&before, edits)?;
    if ops.is_empty() {
        return Ok(text.to_owned());
    }
    for op in &ops {
        change(document.as_item_mut(), op).ok_or(ConfigFileError::Entangled)?;
    }
    let edited = document.to_string();
    let read: DocumentMut = edited.parse().map_err(|_| ConfigFileError::Entangled)?;
    // TOML has no null: keys without a value are left out.
    if without_nulls(table(read.as_table())) == without_nulls(after) {
        Ok(if text.contains("\r\n") && !edited.contains("\r\n") {
            edited.replace('\n', "\r\n")
        } else {
            edited
        })
    } else {
        Err(ConfigFileError::Entangled)
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn table(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(key, item)| (key.to_owned(), read(item))).collect::<Map<_, _>>())
}

fn read(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => read_value(value),
        Item::Table(found) => table(found),
        Item::ArrayOfTables(tables) => Value::Array(tables.iter().map(|found| table(found)).collect()),
    }
}

fn read_value(value: &Toml) -> Value {
    match value {
        Toml::String(text) => Value::String(text.value().clone()),
        Toml::Integer(number) => Value::Number((*number.value()).into()),
        // Infinity and NaN have no JSON number; their text distinguishes them.
        Toml::Float(number) => Number::from_f64(*number.value())
            .map_or_else(|| Value::String(number.value().to_string()), Value::Number),
        Toml::Boolean(value) => Value::Bool(*value.value()),
        Toml::Datetime(time) => Value::String(time.value().to_string()),
        Toml::Array(items) => Value::Array(items.iter().map(read_value).collect()),
        Toml::InlineTable(found) => table(found),
    }
}

fn change(root: &mut Item, op: &Op) -> Option<()> {
    match op {
        Op::Replace(place, value) => {
            let (last, parent) = place.split_last()?;
            within(root, parent, &mut |at| replace(at, last, value))
        }
        Op::Insert(place, key, value) => within(root, place, &mut |at| {
            if value.is_null() {
                return Some(());
            }
            let inline = matches!(at, At::Item(Item::Value(_)) | At::Value(_));
            let item = if inline { Item::Value(write(value)?) } else { item(value)? };
            at.table()?.insert(key, item);
            Some(())
        }),
        Op::Append(place, value) => within(root, place, &mut |at| match at {
            At::Item(Item::ArrayOfTables(tables)) => {
                let mut made = toml_edit::Table::new();
                for (key, value) in value.as_object()? {
                    made.insert(key, item(value)?);
                }
                tables.push(made);
                Some(())
            }
            at => {
                at.array()?.push(write(value)?);
                Some(())
            }
        }),
    }
}

/// A part of a document that can be changed.
enum At<'d> {
    Item(&'d mut Item),
    Value(&'d mut Toml),
    Table(&'d mut toml_edit::Table),
}

impl<'d> At<'d> {
    fn table(self) -> Option<&'d mut dyn TableLike> {
        match self {
            At::Item(item) => item.as_table_like_mut(),
            At::Value(value) => value.as_inline_table_mut().map(|table| table as &mut dyn TableLike),
            At::Table(table) => Some(table),
        }
    }

    fn array(self) -> Option<&'d mut Array> {
        match self {
            At::Item(item) => item.as_array_mut(),
            At::Value(value) => value.as_array_mut(),
            At::Table(_) => None,
        }
    }

    fn step(self, part: &Part) -> Option<At<'d>> {
        match part {
            Part::Key(key) => self.table()?.get_mut(key).map(At::Item),
            Part::Index(index) => match self {
                At::Item(Item::ArrayOfTables(tables)) => tables.get_mut(*index).map(At::Table),
                other => other.array()?.get_mut(*index).map(At::Value),
            },
        }
    }
}

fn within(root: &mut Item, place: &[Part], then: &mut dyn FnMut(At<'_>) -> Option<()>) -> Option<()> {
    let at = place.iter().try_fold(At::Item(root), |at, part| at.step(part))?;
    then(at)
}

fn replace(parent: At<'_>, last: &Part, value: &Value) -> Option<()> {
    let decorated = |old: Option<&Toml>, mut new: Toml| {
        if let Some(old) = old {
            *new.decor_mut() = old.decor().clone();
        }
        new
    };
    match parent.step(last)? {
        At::Item(at) => {
            let new = match (at.as_value(), value) {
                (None, Value::Object(_)) => item(value)?,
                (old, value) => Item::Value(decorated(old, same_kind(old, value)?)),
            };
            *at = new;
        }
        At::Value(at) => {
            let new = decorated(Some(&*at), same_kind(Some(&*at), value)?);
            *at = new;
        }
        At::Table(_) => return None,
    }
    Some(())
}

/// A date stays a date if the new text is one.
fn same_kind(old: Option<&Toml>, value: &Value) -> Option<Toml> {
    if let (Some(Toml::Datetime(_)), Value::String(text)) = (old, value)
        && let Ok(time) = text.parse::<toml_edit::Datetime>()
        && time.to_string() == *text
    {
        return Some(Toml::from(time));
    }
    write(value)
}

fn item(value: &Value) -> Option<Item> {
    let Value::Object(map) = value else { return write(value).map(Item::Value) };
    let mut table = toml_edit::Table::new();
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        table.insert(key, item(value)?);
    }
    Some(Item::Table(table))
}

fn write(value: &Value) -> Option<Toml> {
    Some(match value {
        Value::Null => Toml::from(""),
        Value::Bool(value) => Toml::from(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Toml::from(number),
            None => Toml::from(number.as_f64()?),
        },
        Value::String(text) => Toml::from(text.as_str()),
        Value::Array(items) => {
            let mut array = Array::new();
            for item in items {
                array.push(write(item)?);
            }
            Toml::Array(array)
        }
        Value::Object(map) => {
            let mut table = InlineTable::new();
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                table.insert(key, write(value)?);
            }
            Toml::InlineTable(table)
        }
    })
}
