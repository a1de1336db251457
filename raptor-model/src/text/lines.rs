//! Lines of encoded text.

use super::Encoding;
use serde::{Deserialize, Serialize};

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// A line feed (U+000A), as on Linux and macOS.
    Lf,
    /// Carriage return and line feed: Windows.
    Crlf,
    /// Carriage return: old Macs, and progress bars in logs.
    Cr,
}

impl LineEnd {
    /// Its characters.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::Crlf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// How the lines of a text end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineEnds {
    /// There is no line end.
    None,
    /// Every line ends with [`LineEnd::Lf`].
    Lf,
    /// Every line ends with [`LineEnd::Crlf`].
    Crlf,
    /// Every line ends with [`LineEnd::Cr`].
    Cr,
    /// Some so, some so.
    Mixed,
}

impl LineEnds {
    /// With one more.
    pub(super) fn and(self, end: LineEnd) -> Self {
        let alone = match end {
            LineEnd::Lf => Self::Lf,
            LineEnd::Crlf => Self::Crlf,
            LineEnd::Cr => Self::Cr,
        };
        if self == Self::None || self == alone { alone } else { Self::Mixed }
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) body: &'a [u8],
    /// None for the last one, which is empty where the text ends with a line end.
    pub(super) end: Option<LineEnd>,
}

/// The lines of a text; at least one.
pub(super) fn lines(bytes: &[u8], encoding: Encoding) -> impl Iterator<Item = Line<'_>> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let all = rest?;
        let found = if encoding.is_utf16() { wide_end(all, encoding) } else { end(all) };
        let Some((at, end, length)) = found else {
            rest = None;
            return Some(Line { body: all, end: None });
        };
        rest = all.get(at + length..);
        Some(Line { body: all.get(..at).unwrap_or_default(), end: Some(end) })
    })
}

/// The first line end, where it begins, and how many bytes it has.
fn end(bytes: &[u8]) -> Option<(usize, LineEnd, usize)> {
    let at = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    Some(match bytes.get(at..)? {
        [b'\r', b'\n', ..] => (at, LineEnd::Crlf, 2),
        [b'\r', ..] => (at, LineEnd::Cr, 1),
        _ => (at, LineEnd::Lf, 1),
    })
}

fn wide_end(bytes: &[u8], encoding: Encoding) -> Option<(usize, LineEnd, usize)> {
    let [lf, cr] =
        if encoding == Encoding::UTF_16LE { [[b'\n', 0], [b'\r', 0]] } else { [[0, b'\n'], [0, b'\r']] };
    let mut words = bytes.chunks_exact(2).enumerate();
    let (at, word) = words.find(|(_, word)| *word == lf || *word == cr)?;
    let at = 2 * at;
    if word == lf {
        return Some((at, LineEnd::Lf, 2));
    }
    let paired = bytes.get(at + 2..at + 4).is_some_and(|next| next == lf);
    Some(if paired { (at, LineEnd::Crlf, 4) } else { (at, LineEnd::Cr, 2) })
}

/// The lines of a text in memory, without their ends; at least one. As editors do: `\r\n`, `\n` and `\r` all end a line.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    lines(text.as_bytes(), Encoding::UTF_8)
        .map(|line| std::str::from_utf8(line.body).unwrap_or_default())
        .collect()
}
