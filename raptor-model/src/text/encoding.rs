//! Text encodings.

use encoding_rs::{EncoderResult, GBK, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
};

/// A text encoding: UTF-8, UTF-16 in either byte order, and those of the WHATWG's Encoding Standard in which every byte below
/// 0x20 stands for itself, which excludes ISO-2022-JP. Serialised as its name in that standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// Characters that an encoding lacks, without duplicates. U+FFFD stands for invalid bytes that would have to be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    pub encoding: Encoding,
    pub characters: BTreeSet<char>,
}

/// How many characters a sentence lists.
const NAMED: usize = 10;

impl Display for Lacking {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, invalid) = (self.encoding.name(), '\u{fffd}');
        if self.characters.contains(&invalid) {
            return write!(
                f,
                "Some bytes of this text, shown as {invalid}, are not valid in its encoding and can't be written as {name}. \
                 Remove them, or open the file in the encoding that it really has."
            );
        }
        let mut named: Vec<String> = self.characters.iter().take(NAMED).map(|c| shown(*c)).collect();
        if self.characters.len() > named.len() {
            named.push(format!("{} more", self.characters.len() - named.len()));
        }
        let last = named.pop().unwrap_or_default();
        let all = if named.is_empty() { last } else { format!("{} and {last}", named.join(", ")) };
        let them = if self.characters.len() == 1 { "it" } else { "them" };
        write!(f, "{name} can't represent {all}. Remove {them}, or use UTF-8.")
    }
}

impl std::error::Error for Lacking {}

fn shown(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", u32::from(c)) } else { format!("\u{201c}{c}\u{201d}") }
}

/// The text of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedLine<'b> {
    /// Its text, with U+FFFD in place of invalid bytes.
    pub text: Cow<'b, str>,
    /// Whether all of its bytes are valid in the encoding.
    pub valid: bool,
}

impl Encoding {
    pub const UTF_8: Self = Self(UTF_8);
    /// UTF-16 with the low byte first.
    pub const UTF_16LE: Self = Self(UTF_16LE);
    /// UTF-16 with the high byte first.
    pub const UTF_16BE: Self = Self(UTF_16BE);
    /// Western European; most programs call it Latin-1.
    pub const WINDOWS_1252: Self = Self(WINDOWS_1252);
    /// Simplified Chinese.
    pub const GBK: Self = Self(GBK);

    /// The encoding with this name or alias, without regard to case: `utf-8`, `latin1`, `GBK`, `Shift_JIS`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::of(encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())?)
    }

    pub(super) fn of(encoding: &'static encoding_rs::Encoding) -> Option<Self> {
        (encoding != ISO_2022_JP && encoding != X_USER_DEFINED).then_some(Self(encoding))
    }

    /// The name in the Encoding Standard.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether characters have two or four bytes.
    #[must_use]
    pub fn is_utf16(self) -> bool {
        self.0 == UTF_16LE || self.0 == UTF_16BE
    }

    /// This encoding's byte order mark if `bytes` begin with it; empty otherwise.
    #[must_use]
    pub fn mark_of(self, bytes: &[u8]) -> &[u8] {
        let mark = self.mark();
        if mark.is_empty() {
            mark
        } else {
            bytes.get(..mark.len()).filter(|begin| *begin == mark).unwrap_or_default()
        }
    }

    /// The byte order mark; empty if the encoding has none.
    #[must_use]
    pub fn mark(self) -> &'static [u8] {
        match self.name() {
            "UTF-8" => b"\xef\xbb\xbf",
            "UTF-16LE" => b"\xff\xfe",
            "UTF-16BE" => b"\xfe\xff",
            _ => b"",
        }
    }

    /// The text of a line, and whether all of its bytes are valid. Invalid bytes become U+FFFD. A byte order mark is kept.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> DecodedLine<'_> {
        let clean = if self == Self::UTF_8 {
            std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
        } else if self.is_utf16() {
            None
        } else {
            self.0.decode_without_bom_handling_and_without_replacement(bytes)
        };
        if let Some(text) = clean {
            return DecodedLine { text, valid: true };
        }
        let (mut text, mut valid) = (String::with_capacity(bytes.len()), true);
        self.each_unit(bytes, |unit| {
            text.extend(unit.letters);
            valid &= unit.valid;
        });
        DecodedLine { text: Cow::Owned(text), valid }
    }

    /// Calls `tell` with each character in `bytes` and the bytes that it came from. Consistent with [`Encoding::decode`].
    pub(super) fn each_unit<'a>(self, bytes: &'a [u8], mut tell: impl FnMut(Unit<'a>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let unit = self.first_unit(rest);
            rest = rest.get(unit.bytes.len()..).unwrap_or_default();
            tell(unit);
        }
    }

    /// The first character of `bytes`, which must not be empty.
    fn first_unit(self, bytes: &[u8]) -> Unit<'_> {
        let taken = |count: usize| bytes.get(..count).unwrap_or(bytes);
        if self.is_utf16() {
            return self.first_of_utf16(bytes);
        }
        if let Some(ascii) = bytes.first().filter(|byte| byte.is_ascii()) {
            return Unit { letters: Letters::one(char::from(*ascii)), bytes: taken(1), valid: true };
        }
        if self == Self::UTF_8 {
            let chunk = bytes.get(..4.min(bytes.len())).unwrap_or_default().utf8_chunks().next();
            let Some(chunk) = chunk else { return Unit::invalid(taken(1)) };
            return match chunk.valid().chars().next() {
                Some(letter) => {
                    Unit { letters: Letters::one(letter), bytes: taken(letter.len_utf8()), valid: true }
                }
                // The sequence can't be cut off, since none is longer than the four bytes that were examined.
                None => Unit::invalid(taken(chunk.invalid().len())),
            };
        }
        // The codes are prefix-free, so what decodes on its own is one character. None has more than four bytes.
        for count in 1..=4.min(bytes.len()) {
            let piece = taken(count);
            if let Some(text) = self.0.decode_without_bom_handling_and_without_replacement(piece) {
                let mut letters = text.chars();
                let letters = Letters(letters.next(), letters.next());
                return Unit { letters, bytes: piece, valid: true };
            }
        }
        Unit::invalid(taken(1))
    }

    fn first_of_utf16(self, bytes: &[u8]) -> Unit<'_> {
        let word = |at: usize| {
            let pair = <[u8; 2]>::try_from(bytes.get(at..at + 2)?).ok()?;
            Some(if self == Self::UTF_16LE { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
        };
        let words = [word(0), word(2)].into_iter().flatten();
        match char::decode_utf16(words).next() {
            Some(Ok(letter)) => {
                let bytes = bytes.get(..2 * letter.len_utf16()).unwrap_or(bytes);
                Unit { letters: Letters::one(letter), bytes, valid: true }
            }
            Some(Err(_)) => Unit::invalid(bytes.get(..2).unwrap_or(bytes)),
            None => Unit::invalid(bytes),
        }
    }

    /// Encodes a text.
    ///
    /// # Errors
    /// [`Lacking`] with all characters that the encoding lacks: none is ever replaced by another.
    pub fn encode(self, text: &str) -> Result<Cow<'_, [u8]>, Lacking> {
        if self.is_utf16() {
            let bytes =
                |word: u16| if self == Self::UTF_16LE { word.to_le_bytes() } else { word.to_be_bytes() };
            return Ok(Cow::Owned(text.encode_utf16().flat_map(bytes).collect()));
        }
        if self == Self::UTF_8 || text.is_ascii() {
            return Ok(Cow::Borrowed(text.as_bytes()));
        }
        // Usually it has all of them, and encoding the whole text is enough.
        let (bytes, _, lacking) = self.0.encode(text);
        let back = |bytes| self.0.decode_without_bom_handling_and_without_replacement(bytes);
        if !lacking && back(&bytes).as_deref() == Some(text) {
            return Ok(bytes);
        }
        let beyond: BTreeSet<char> = text.chars().filter(|c| !c.is_ascii()).collect();
        let characters: BTreeSet<char> = beyond.into_iter().filter(|c| !self.has(*c)).collect();
        if characters.is_empty() {
            Ok(self.0.encode(text).0)
        } else {
            Err(Lacking { encoding: self, characters })
        }
    }

    /// Whether a character survives encoding and decoding. E.g. Shift_JIS would write a yen sign as a backslash.
    fn has(self, letter: char) -> bool {
        let (mut buffer, mut out) = ([0; 4], [0; 16]);
        let text = letter.encode_utf8(&mut buffer);
        let (result, _, written) =
            self.0.new_encoder().encode_from_utf8_without_replacement(text, &mut out, true);
        let bytes = out.get(..written).unwrap_or_default();
        result == EncoderResult::InputEmpty
            && self.0.decode_without_bom_handling_and_without_replacement(bytes).as_deref() == Some(&*text)
    }

    /// The last position at or before `at` that is between two characters.
    #[must_use]
    pub fn border(self, bytes: &[u8], at: usize) -> usize {
        let (mut border, mut end) = (0, 0);
        let mut rest = bytes;
        while end <= at && !rest.is_empty() {
            border = end;
            let taken = self.first_unit(rest).bytes.len();
            end += taken;
            rest = rest.get(taken..).unwrap_or_default();
        }
        if end <= at { end } else { border }
    }
}

/// One character, or two if the encoding has a single code for both, with its bytes.
pub(super) struct Unit<'a> {
    pub(super) letters: Letters,
    pub(super) bytes: &'a [u8],
    pub(super) valid: bool,
}

impl<'a> Unit<'a> {
    fn invalid(bytes: &'a [u8]) -> Self {
        Self { letters: Letters::one('\u{fffd}'), bytes, valid: false }
    }
}

/// What a code stands for. Of all encodings, only Big5 has codes for two characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Letters(Option<char>, Option<char>);

impl Letters {
    pub(super) fn one(letter: char) -> Self {
        Self(Some(letter), None)
    }

    /// The characters of a text; two that have a single code in `known` are combined.
    pub(super) fn of(text: &str, known: &[Self]) -> Vec<Self> {
        let pairs: BTreeSet<Self> = known.iter().copied().filter(|letters| letters.1.is_some()).collect();
        let (mut found, mut chars) = (Vec::new(), text.chars().peekable());
        while let Some(letter) = chars.next() {
            let pair = Self(Some(letter), chars.peek().copied());
            if pairs.contains(&pair) {
                chars.next();
                found.push(pair);
            } else {
                found.push(Self::one(letter));
            }
        }
        found
    }
}

impl IntoIterator for Letters {
    type Item = char;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<char>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        [self.0, self.1].into_iter().flatten()
    }
}

impl Serialize for Encoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        let unknown = || {
            D::Error::custom(format!(
                "{name} is not an encoding that can be edited; use one such as UTF-8, windows-1252 or GBK"
            ))
        };
        Self::named(&name).ok_or_else(unknown)
    }
}
