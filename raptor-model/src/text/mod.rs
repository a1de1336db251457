//! Text in any encoding: recognising it, decoding it, and saving a change to it without touching any other byte.
//!
//! [`recognise`] looks at a file's bytes, [`decode`] makes text of them, and [`splice`] turns an edited text back into bytes:
//! what was not edited keeps the very bytes it had, including those that are invalid in the encoding, byte sequences that
//! decoding and encoding would normalise, and each line's own end. For texts that a program changes in place, such as
//! configuration files, `charset_of` and `Lossless` do the same without an editor in between.

mod encoding;
mod lines;
mod lossless;
mod recognise;
mod splice;
#[cfg(test)]
mod tests;

pub use encoding::{DecodedLine, Encoding, Lacking};
pub use lines::{LineEnd, LineEnds};
pub use lossless::{Charset, LackingOne, Lossless, is_reserved};
pub use recognise::charset_of;
pub use recognise::{Recognised, recognise};
pub use splice::{Target, splice};

use lines::lines;

/// Where the second line begins, in bytes; none where there is only one.
#[must_use]
pub fn first_line_end(bytes: &[u8], encoding: Encoding) -> Option<usize> {
    let first = lines(bytes, encoding).next()?;
    Some(first.body.len() + first.end?.text().len() * if encoding.is_utf16() { 2 } else { 1 })
}

/// How many lines a text has: at least one.
#[must_use]
pub fn line_count(bytes: &[u8], encoding: Encoding) -> usize {
    lines(bytes, encoding).count()
}

/// A text as it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text without a byte order mark. What is invalid in the encoding became U+FFFD.
    pub text: String,
    /// How its lines end.
    pub line_ends: LineEnds,
    /// Whether some of its bytes are invalid in the encoding.
    pub invalid: bool,
}

/// Decodes bytes that have no byte order mark, or whose mark was cut off with [`Encoding::mark_of`].
#[must_use]
pub fn decode(bytes: &[u8], encoding: Encoding) -> Decoded {
    let mut decoded =
        Decoded { text: String::with_capacity(bytes.len()), line_ends: LineEnds::None, invalid: false };
    for line in lines(bytes, encoding) {
        let DecodedLine { text, valid } = encoding.decode(line.body);
        decoded.invalid |= !valid;
        decoded.text.push_str(&text);
        if let Some(end) = line.end {
            decoded.text.push_str(end.text());
            decoded.line_ends = decoded.line_ends.and(end);
        }
    }
    decoded
}
