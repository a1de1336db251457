//! Bytes as text that becomes the same bytes again: whatever is not changed comes out as the bytes that went in.
//!
//! A line that its encoding can't read, or would write differently, keeps each of its bytes above ASCII as a private character,
//! which becomes that byte again. So one damaged line is no obstacle to changing another. [`super::splice`] is for texts that
//! went to an editor and came back; this is for those that a program changes in place.

use super::{DecodedLine, Encoding};
use std::ops::RangeInclusive;

/// Private characters that stand for what no character stands for: lone UTF-16 surrogates first, then single bytes.
const KEPT: RangeInclusive<char> = '\u{10f000}'..='\u{10f8ff}';
const KEPT_UNITS: u32 = 0x10_f000;
const KEPT_BYTES: u32 = 0x10_f800;

/// How a text is written: an [`Encoding`], or one in which each byte is the character of that number. The Encoding Standard reads
/// both of these as windows-1252, which programs other than browsers don't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// One of the Encoding Standard.
    Standard(Encoding),
    /// Bytes up to 0x7f.
    Ascii,
    /// ISO-8859-1: bytes up to 0xff.
    Latin1,
}

/// A character that a charset lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LackingOne {
    /// The charset's name.
    pub charset: &'static str,
    /// The first such character of the text.
    pub character: char,
}

/// A text that becomes the same bytes again, without its byte order mark.
pub struct Lossless {
    /// The text. Characters for which [`is_reserved`] is true stand for bytes.
    pub text: String,
    charset: Charset,
    mark: &'static [u8],
    /// What is left of UTF-16 where a byte is missing at its end.
    rest: Vec<u8>,
}

/// Whether a character is one of those that stand for bytes in a [`Lossless`] text.
pub fn is_reserved(character: char) -> bool {
    KEPT.contains(&character)
}

impl Charset {
    /// Its name, as people and XML declarations write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard(encoding) if encoding.is_utf16() => "UTF-16",
            Self::Standard(encoding) => encoding.name(),
            Self::Ascii => "US-ASCII",
            Self::Latin1 => "ISO-8859-1",
        }
    }

    fn encode(self, text: &str) -> Result<Vec<u8>, LackingOne> {
        let last = match self {
            Self::Standard(encoding) => {
                return encoding.encode(text).map(std::borrow::Cow::into_owned).map_err(|lacking| {
                    let first = text.chars().find(|character| lacking.characters.contains(character));
                    self.lacks(first.unwrap_or_default())
                });
            }
            Self::Ascii => 0x7f,
            Self::Latin1 => 0xff,
        };
        let byte = |character: char| u8::try_from(u32::from(character)).ok().filter(|byte| *byte <= last);
        text.chars().map(|character| byte(character).ok_or_else(|| self.lacks(character))).collect()
    }

    fn decode(self, line: &[u8]) -> Option<String> {
        match self {
            Self::Standard(encoding) => {
                let DecodedLine { text, valid } = encoding.decode(line);
                valid.then(|| text.into_owned())
            }
            Self::Ascii | Self::Latin1 => Some(line.iter().map(|byte| char::from(*byte)).collect()),
        }
    }

    fn lacks(self, character: char) -> LackingOne {
        LackingOne { charset: self.name(), character }
    }
}

impl Lossless {
    /// Reads bytes, with or without the charset's byte order mark.
    pub fn of(bytes: &[u8], charset: Charset) -> Self {
        let mark = match charset {
            Charset::Standard(encoding) if !encoding.mark_of(bytes).is_empty() => encoding.mark(),
            _ => b"",
        };
        let body = bytes.get(mark.len()..).unwrap_or_default();
        let (text, rest) = match charset {
            Charset::Standard(encoding) if encoding.is_utf16() => utf16(body, encoding),
            charset => {
                let lines = body.split_inclusive(|byte| *byte == b'\n');
                (lines.map(|line| decoded(line, charset)).collect(), Vec::new())
            }
        };
        Self { text, charset, mark, rest }
    }

    /// The bytes of a text that was made of this one.
    ///
    /// # Errors
    /// [`LackingOne`]: nothing is ever replaced by another character.
    pub fn encode(&self, text: &str) -> Result<Vec<u8>, LackingOne> {
        let mut bytes = Vec::with_capacity(text.len());
        bytes.extend(self.mark);
        let mut rest = text;
        while let Some(at) = rest.find(is_reserved) {
            let (plain, from) = rest.split_at(at);
            bytes.extend(self.charset.encode(plain)?);
            let mut characters = from.chars();
            bytes.extend(self.kept(characters.next().unwrap_or_default())?);
            rest = characters.as_str();
        }
        bytes.extend(self.charset.encode(rest)?);
        bytes.extend(&self.rest);
        Ok(bytes)
    }

    /// The text with references instead of the characters that the charset lacks, as XML allows in texts and attributes.
    pub fn with_references(&self, text: &str) -> String {
        let mut written = String::with_capacity(text.len());
        for character in text.chars() {
            let own =
                is_reserved(character) || self.charset.encode(character.encode_utf8(&mut [0; 4])).is_ok();
            if own {
                written.push(character);
            } else {
                written.push_str(&format!("&#{};", u32::from(character)));
            }
        }
        written
    }

    /// The bytes that a reserved character stands for.
    fn kept(&self, character: char) -> Result<Vec<u8>, LackingOne> {
        let number = u32::from(character);
        let lacks = || self.charset.lacks(character);
        match self.charset {
            Charset::Standard(encoding) if encoding.is_utf16() => {
                let unit = number.checked_sub(KEPT_UNITS).filter(|unit| *unit < 0x800).ok_or_else(lacks)?;
                let unit = u16::try_from(unit).unwrap_or_default() | 0xd800;
                let big_endian = encoding == Encoding::UTF_16BE;
                Ok(if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }.to_vec())
            }
            _ => {
                let byte = number.checked_sub(KEPT_BYTES).and_then(|byte| u8::try_from(byte).ok());
                byte.map(|byte| vec![byte]).ok_or_else(lacks)
            }
        }
    }
}

/// UTF-16 as text, and the odd byte at its end.
fn utf16(bytes: &[u8], encoding: Encoding) -> (String, Vec<u8>) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    encoding.each_unit(pairs.as_flattened(), |unit| {
        if unit.valid && !unit.letters.into_iter().any(is_reserved) {
            text.extend(unit.letters);
            return;
        }
        for pair in unit.bytes.as_chunks::<2>().0 {
            let big_endian = encoding == Encoding::UTF_16BE;
            let unit = if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
            text.extend(char::from_u32(KEPT_UNITS + u32::from(unit & 0x7ff)));
        }
    });
    (text, rest.to_vec())
}

/// A line as text, which becomes the same bytes again.
fn decoded(line: &[u8], charset: Charset) -> String {
    let same =
        |text: &String| !text.contains(is_reserved) && charset.encode(text).is_ok_and(|bytes| bytes == line);
    let kept = |byte: &u8| match byte {
        0..0x80 => char::from(*byte),
        byte => char::from_u32(KEPT_BYTES + u32::from(*byte)).unwrap_or_default(),
    };
    charset.decode(line).filter(same).unwrap_or_else(|| line.iter().map(kept).collect())
}
