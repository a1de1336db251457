//! Names of files are bytes to Linux and text to everybody else.
//!
//! As text, a byte that belongs to no UTF-8 is written `\xE9`, with two capital digits. A backslash of a name's own that could be
//! taken for the beginning of that (it stands before `x` and 5C or 80 to FF) is written `\x5C`. So every name has one text,
//! no two names have the same, and whatever is UTF-8 without such a sequence is written as it is. Reading takes nothing else for
//! an escape: no `/`, `.` or NUL comes out of one.

use std::{borrow::Cow, fmt::Write};

/// What an escape begins with.
const MARK: &str = "\\x";

/// The text of a name or path.
#[must_use]
pub fn escape(name: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(name)
        && !text.contains(MARK)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(name.len() + 8);
    for chunk in name.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((before, mark, behind)) = find_mark(rest) {
            text.push_str(before);
            text.push_str(if escaped(mark).is_some() { "\\x5C" } else { "\\" });
            rest = behind;
        }
        text.push_str(rest);
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    Cow::Owned(text)
}

/// The name or path that a text stands for.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text.as_bytes());
    }
    let (mut name, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((before, mark, behind)) = find_mark(rest) {
        name.extend_from_slice(before.as_bytes());
        match escaped(mark) {
            Some((byte, behind)) => {
                name.push(byte);
                rest = behind;
            }
            None => {
                name.push(b'\\');
                rest = behind;
            }
        }
    }
    name.extend_from_slice(rest.as_bytes());
    Cow::Owned(name)
}

/// What is before the first mark, what begins with it, and what is behind its backslash.
fn find_mark(text: &str) -> Option<(&str, &str, &str)> {
    let (before, mark) = text.split_at_checked(text.find(MARK)?)?;
    Some((before, mark, mark.strip_prefix('\\')?))
}

/// The byte that an escape at the beginning stands for, and what is behind it.
fn escaped(text: &str) -> Option<(u8, &str)> {
    let (digits, behind) = text.strip_prefix(MARK)?.split_at_checked(2)?;
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(is_digit))?;
    (byte == b'\\' || byte >= 0x80).then_some((byte, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_utf8_is_escaped_and_little_else() {
        for (name, text) in [
            (&b"caf\xc3\xa9"[..], "café"),
            (b"caf\xe9.txt", r"caf\xE9.txt"),
            (b"\\xE9", r"\x5CxE9"),
            (b"\\x5C", r"\x5Cx5C"),
            (b"a\\b \\x41 \\xe9 \\xE", r"a\b \x41 \xe9 \xE"),
            (b"\\\xff", r"\\xFF"),
            (b"\\x\xff\\xF\xff", r"\x\xFF\xF\xFF"),
        ] {
            assert_eq!(escape(name), text);
            assert_eq!(&*unescape(text), name);
        }
        assert_eq!(escape(&unescape(r"caf\xC3\xA9")), "café", "written otherwise, it is still one name");
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in proptest::collection::vec(prop_oneof![
            Just(b'\\'), Just(b'x'), Just(b'5'), Just(b'C'), Just(b'E'), Just(b'9'), Just(0xc3), Just(0xa9), any::<u8>(),
        ], 0..24)) {
            let text = escape(&name).into_owned();
            prop_assert_eq!(&*unescape(&text), &name[..]);
        }

        #[test]
        fn no_text_makes_what_separates_or_climbs(text in r"[\\x0-9A-F./]{0,24}") {
            let count = |bytes: &[u8], wanted: u8| bytes.iter().filter(|byte| **byte == wanted).count();
            let name = unescape(&text);
            for byte in [b'/', b'.', 0] {
                prop_assert_eq!(count(&name, byte), count(text.as_bytes(), byte));
            }
            let once = escape(&name).into_owned();
            prop_assert_eq!(&*unescape(&once), &*name);
        }
    }
}
