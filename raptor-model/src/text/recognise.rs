//! What encoding bytes are in.

use super::{Charset, Encoding};
use chardetng::EncodingDetector;

/// How much decides whether it is text at all, in bytes.
const HEAD: usize = 8 * 1024;
/// How much is looked at to guess an encoding, in bytes.
const SAMPLE: usize = 1024 * 1024;
/// How much of a text is looked at for UTF-16 without a mark, in bytes.
const WIDE_SAMPLE: usize = 64 * 1024;

/// What bytes were recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The encoding.
    pub encoding: Encoding,
    /// Whether the bytes leave no doubt. An encoding of one byte per character can only be guessed.
    pub certain: bool,
}

/// The encoding of a file's bytes, or of its first lines; none where they are no text.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let sure = |encoding| Some(Recognised { encoding, certain: true });
    // UTF-32 begins as UTF-16 does.
    if bytes.starts_with(b"\xff\xfe\0\0") && bytes.len().is_multiple_of(4) {
        return None;
    }
    if let Some(encoding) = marked(bytes) {
        return sure(encoding);
    }
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    if head.contains(&0) {
        return [Encoding::UTF_16LE, Encoding::UTF_16BE]
            .into_iter()
            .find(|encoding| is_wide(head, *encoding))
            .and_then(sure);
    }
    if is_noise(head) {
        return None;
    }
    let (valid, invalid) = utf8(bytes);
    if invalid == 0 {
        return sure(Encoding::UTF_8);
    }
    // A log in UTF-8 with a few broken bytes is still one.
    if valid >= 4 * invalid {
        return Some(Recognised { encoding: Encoding::UTF_8, certain: false });
    }
    Some(Recognised { encoding: guess(bytes), certain: false })
}

/// The charset of a file that is known to be text, damaged or not: by its mark, its zeros, what it has `declared`, and its
/// letters. `fallback` is what the programs that read such files take for what is not UTF-8.
pub fn charset_of(bytes: &[u8], declared: Option<Charset>, fallback: Option<Charset>) -> Charset {
    if let Some(encoding) = marked(bytes).or_else(|| wide_by_zeros(bytes)) {
        return Charset::Standard(encoding);
    }
    if let Some(charset) = declared {
        return charset;
    }
    let (valid, invalid) = utf8(bytes);
    if invalid == 0 || valid >= invalid {
        return Charset::Standard(Encoding::UTF_8);
    }
    fallback.unwrap_or_else(|| Charset::Standard(guess(bytes)))
}

/// The encoding of which the bytes have the byte order mark.
fn marked(bytes: &[u8]) -> Option<Encoding> {
    let all = [Encoding::UTF_8, Encoding::UTF_16LE, Encoding::UTF_16BE];
    all.into_iter().find(|encoding| !encoding.mark_of(bytes).is_empty())
}

/// What the letters look like, of bytes that are not UTF-8.
fn guess(bytes: &[u8]) -> Encoding {
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let rest = bytes.get(first..).unwrap_or_default();
    let sample = rest.get(..SAMPLE).unwrap_or(rest);
    let mut detector = EncodingDetector::new();
    detector.feed(sample, sample.len() == rest.len());
    Encoding::of(detector.guess(None, false)).unwrap_or(Encoding::WINDOWS_1252)
}

/// UTF-16 without a mark, in what is known to be text: one in five characters or more is ASCII, and hardly any has its zero on the
/// other side. [`is_wide`] is stricter, since it also tells text from other files.
fn wide_by_zeros(bytes: &[u8]) -> Option<Encoding> {
    let (pairs, _) = bytes.get(..WIDE_SAMPLE).unwrap_or(bytes).as_chunks::<2>();
    let high = pairs.iter().filter(|[first, _]| *first == 0).count();
    let low = pairs.iter().filter(|[_, second]| *second == 0).count();
    let mostly = |zeros: usize, others: usize| zeros > 8 * others && zeros * 5 >= pairs.len();
    if mostly(low, high) {
        return Some(Encoding::UTF_16LE);
    }
    mostly(high, low).then_some(Encoding::UTF_16BE)
}

/// Characters beyond ASCII, and invalid sequences.
fn utf8(bytes: &[u8]) -> (usize, usize) {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    (valid, invalid)
}

/// Whether control characters are too many for a text.
fn is_noise(bytes: &[u8]) -> bool {
    let control = |byte: &&u8| matches!(byte, 0..=6 | 14..=26 | 28..=31 | 127);
    bytes.iter().filter(control).count() * 20 > bytes.len()
}

/// Whether it is UTF-16 without a mark: many characters of ASCII, no control characters, nothing invalid.
fn is_wide(bytes: &[u8], encoding: Encoding) -> bool {
    let low = usize::from(encoding == Encoding::UTF_16BE);
    let (mut words, mut ascii, mut bad) = (0, 0, 0);
    let whole = bytes.len() - bytes.len() % 2;
    encoding.each_unit(bytes.get(..whole).unwrap_or_default(), |unit| {
        words += 1;
        let first = unit.bytes.get(low).copied().unwrap_or(0);
        let high = unit.bytes.get(1 - low).copied().unwrap_or(0);
        if high == 0 && (first.is_ascii_graphic() || matches!(first, b' ' | b'\t' | b'\n' | b'\r')) {
            ascii += 1;
        } else if !unit.valid || (high == 0 && (first < 0x20 || (0x7f..0xa0).contains(&first))) {
            bad += 1;
        }
    });
    // The last character of what is looked at may be cut in two. A whole file has no odd byte.
    let cut = usize::from(bytes.len() == HEAD);
    bad += bytes.len() % 2;
    bad <= cut && ascii * 10 >= words * 3 && words > 0
}
