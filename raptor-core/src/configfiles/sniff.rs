//! Which encoding a configuration file is in.

use super::encoding::Encoding;
use crate::templates::ConfigParser;
use chardetng::EncodingDetector;
use encoding_rs::Encoding as Legacy;

/// How much of a file is looked at for UTF-16 without a mark, in bytes.
const SAMPLE: usize = 64 * 1024;
/// How far into an XML file its declaration may reach, in bytes.
const DECLARATION: usize = 256;

/// The encoding, and the length of the byte order mark in bytes.
pub(super) fn encoding(bytes: &[u8], parser: ConfigParser) -> (Encoding, usize) {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => return (Encoding::Utf8, 3),
        [0xff, 0xfe, ..] => return (Encoding::Utf16 { big_endian: false }, 2),
        [0xfe, 0xff, ..] => return (Encoding::Utf16 { big_endian: true }, 2),
        _ => {}
    }
    let unmarked = utf16(bytes)
        .or_else(|| (parser == ConfigParser::Xml).then(|| declared(bytes)).flatten())
        .or_else(|| mostly_utf8(bytes).then_some(Encoding::Utf8));
    (unmarked.unwrap_or_else(|| guess(bytes, parser)), 0)
}

/// UTF-16 without a mark: one in five characters or more is ASCII, and hardly any has its zero on the other side.
fn utf16(bytes: &[u8]) -> Option<Encoding> {
    let (pairs, _) = bytes.get(..SAMPLE).unwrap_or(bytes).as_chunks::<2>();
    let high = pairs.iter().filter(|[first, _]| *first == 0).count();
    let low = pairs.iter().filter(|[_, second]| *second == 0).count();
    let mostly = |zeros: usize, others: usize| zeros > 8 * others && zeros * 5 >= pairs.len();
    if mostly(low, high) {
        return Some(Encoding::Utf16 { big_endian: false });
    }
    mostly(high, low).then_some(Encoding::Utf16 { big_endian: true })
}

/// What an XML file declares. One that declares UTF-16 and is read this far is something else.
fn declared(bytes: &[u8]) -> Option<Encoding> {
    let head = bytes.get(..DECLARATION).unwrap_or(bytes).strip_prefix(b"<?xml")?;
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let (head, _) = head.split_once("?>")?;
    let (_, value) = head.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let name = value.get(1..)?.split(quote).next()?.trim().to_ascii_lowercase();
    match name.as_str() {
        "us-ascii" | "ascii" => return Some(Encoding::Direct { last: 0x7f }),
        "iso-8859-1" | "latin1" | "iso_8859-1" => return Some(Encoding::Direct { last: 0xff }),
        _ => {}
    }
    let legacy = Legacy::for_label_no_replacement(name.as_bytes())?;
    if legacy == encoding_rs::UTF_8 {
        return Some(Encoding::Utf8);
    }
    (legacy.output_encoding() == legacy).then_some(Encoding::Legacy(legacy))
}

/// Whether what is above ASCII is UTF-8 rather than not.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    bad == 0 || good >= bad
}

/// Java reads properties that are no UTF-8 as ISO-8859-1; of all else the letters tell.
fn guess(bytes: &[u8], parser: ConfigParser) -> Encoding {
    if parser == ConfigParser::Properties {
        return Encoding::Direct { last: 0xff };
    }
    let mut detector = EncodingDetector::new();
    detector.feed(bytes, true);
    Encoding::Legacy(detector.guess(None, false))
}
