//! Bytes of a configuration file as text, and back: whatever no edit touches comes out as the bytes that went in.
//!
//! A line that its encoding can't read, or would write differently, keeps each of its bytes above ASCII as a private
//! character ([`KEPT`]), which becomes that byte again. So one damaged line is no obstacle to editing another.

use super::{ConfigFileError, sniff};
use crate::templates::{ConfigEdit, ConfigParser};
use encoding_rs::Encoding as Legacy;
use serde_json::Value;

/// Private characters that stand for what no character stands for: lone UTF-16 surrogates first, then single bytes.
const KEPT: std::ops::RangeInclusive<char> = '\u{10f000}'..='\u{10f8ff}';
const KEPT_UNITS: u32 = 0x10_f000;
const KEPT_BYTES: u32 = 0x10_f800;

/// How a file's text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16 {
        big_endian: bool,
    },
    /// Each byte is the character of that number: ASCII (up to 0x7f) and ISO-8859-1 (up to 0xff).
    Direct {
        last: u8,
    },
    Legacy(&'static Legacy),
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16 { .. } => "UTF-16",
            Self::Direct { last: 0x7f } => "US-ASCII",
            Self::Direct { .. } => "ISO-8859-1",
            Self::Legacy(legacy) => legacy.name(),
        }
    }
}

/// A file's text, without its byte order mark.
pub(super) struct Decoded {
    pub(super) text: String,
    encoding: Encoding,
    mark: bool,
    /// What is left of UTF-16 where a byte is missing at its end.
    rest: Vec<u8>,
}

impl Decoded {
    pub(super) fn of(bytes: &[u8], parser: ConfigParser) -> Self {
        let (encoding, mark) = sniff::encoding(bytes, parser);
        let body = bytes.get(mark..).unwrap_or_default();
        let (text, rest) = match encoding {
            Encoding::Utf16 { big_endian } => utf16(body, big_endian),
            other => {
                let lines = body.split_inclusive(|byte| *byte == b'\n');
                (lines.map(|line| decoded(line, other)).collect(), Vec::new())
            }
        };
        Self { text, encoding, mark: mark > 0, rest }
    }

    /// The bytes of a text that was made of this one.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u8>, ConfigFileError> {
        let mut bytes = Vec::with_capacity(text.len());
        match self.encoding {
            Encoding::Utf16 { big_endian } => {
                let mark = self.mark.then_some('\u{feff}');
                for character in mark.into_iter().chain(text.chars()) {
                    let mut push = |unit: u16| {
                        bytes.extend(if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() });
                    };
                    match u32::from(character).checked_sub(KEPT_UNITS).filter(|unit| *unit < 0x800) {
                        Some(unit) => push(u16::try_from(unit).unwrap_or_default() | 0xd800),
                        None => character.encode_utf16(&mut [0; 2]).iter().copied().for_each(push),
                    }
                }
                bytes.extend(&self.rest);
            }
            encoding => {
                if self.mark {
                    bytes.extend([0xef, 0xbb, 0xbf]);
                }
                for line in text.split_inclusive('\n') {
                    encode_line(line, encoding, &mut bytes)?;
                }
            }
        }
        Ok(bytes)
    }

    /// The text with references instead of the characters that the encoding lacks, as XML allows in texts and attributes.
    pub(super) fn with_references(&self, text: &str) -> String {
        let mut written = String::with_capacity(text.len());
        for character in text.chars() {
            if KEPT.contains(&character) || encode(character.encode_utf8(&mut [0; 4]), self.encoding).is_ok()
            {
                written.push(character);
            } else {
                written.push_str(&format!("&#{};", u32::from(character)));
            }
        }
        written
    }
}

/// Whether an edit holds a character that would be taken for a byte of the file.
pub(super) fn reserved(edits: &[ConfigEdit]) -> Option<char> {
    fn within(value: &Value) -> Option<char> {
        match value {
            Value::String(text) => text.chars().find(|character| KEPT.contains(character)),
            Value::Array(items) => items.iter().find_map(within),
            Value::Object(map) => map.iter().find_map(|(key, value)| {
                key.chars().find(|character| KEPT.contains(character)).or_else(|| within(value))
            }),
            _ => None,
        }
    }
    edits.iter().find_map(|edit| {
        edit.key.chars().find(|character| KEPT.contains(character)).or_else(|| within(&edit.value))
    })
}

fn utf16(bytes: &[u8], big_endian: bool) -> (String, Vec<u8>) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs
        .iter()
        .map(|pair| if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) });
    let kept = |unit: u16| char::from_u32(KEPT_UNITS + u32::from(unit & 0x7ff)).unwrap_or_default();
    let mut text = String::with_capacity(pairs.len());
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) if KEPT.contains(&character) => {
                text.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| kept(*unit)));
            }
            Ok(character) => text.push(character),
            Err(lone) => text.push(kept(lone.unpaired_surrogate())),
        }
    }
    (text, rest.to_vec())
}

/// A line as text, which becomes the same bytes again.
fn decoded(line: &[u8], encoding: Encoding) -> String {
    let text = match encoding {
        Encoding::Direct { .. } => Some(line.iter().map(|byte| char::from(*byte)).collect()),
        Encoding::Legacy(legacy) => {
            legacy.decode_without_bom_handling_and_without_replacement(line).map(std::borrow::Cow::into_owned)
        }
        _ => std::str::from_utf8(line).ok().map(str::to_owned),
    };
    let same = |text: &String| {
        !text.contains(|character| KEPT.contains(&character))
            && encode(text, encoding).is_ok_and(|bytes| bytes == line)
    };
    let kept = |byte: &u8| match byte {
        0..0x80 => char::from(*byte),
        byte => char::from_u32(KEPT_BYTES + u32::from(*byte)).unwrap_or_default(),
    };
    text.filter(same).unwrap_or_else(|| line.iter().map(kept).collect())
}

fn encode_line(line: &str, encoding: Encoding, bytes: &mut Vec<u8>) -> Result<(), ConfigFileError> {
    let mut rest = line;
    while let Some(at) = rest.find(|character| KEPT.contains(&character)) {
        let (plain, from) = rest.split_at(at);
        bytes.extend(encode(plain, encoding)?);
        let mut characters = from.chars();
        let kept = characters.next().map_or(0, u32::from);
        match kept.checked_sub(KEPT_BYTES).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => return Err(lacks(encoding, char::from_u32(kept).unwrap_or_default())),
        }
        rest = characters.as_str();
    }
    bytes.extend(encode(rest, encoding)?);
    Ok(())
}

fn encode(text: &str, encoding: Encoding) -> Result<Vec<u8>, ConfigFileError> {
    match encoding {
        Encoding::Direct { last } => {
            let byte = |character: char| u8::try_from(u32::from(character)).ok().filter(|byte| *byte <= last);
            text.chars().map(|character| byte(character).ok_or_else(|| lacks(encoding, character))).collect()
        }
        Encoding::Legacy(legacy) => {
            let (bytes, _, bad) = legacy.encode(text);
            if bad {
                let lacking = |character: &char| legacy.encode(character.encode_utf8(&mut [0; 4])).2;
                return Err(lacks(encoding, text.chars().find(lacking).unwrap_or_default()));
            }
            Ok(bytes.into_owned())
        }
        _ => Ok(text.as_bytes().to_vec()),
    }
}

fn lacks(encoding: Encoding, character: char) -> ConfigFileError {
    ConfigFileError::Unrepresentable { encoding: encoding.name(), character }
}
