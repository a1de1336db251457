//! From an edited text back to bytes.

use super::{
    Encoding, Lacking, LineEnd,
    encoding::Letters,
    lines::{Line, lines, pieces},
};
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    ops::Range,
    time::{Duration, Instant},
};

/// How long it looks for what was not edited, before it takes a larger part for edited.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest part that is compared character by character, in bytes: each byte of it takes up to 40 bytes of memory.
const COMPARED: usize = 1024 * 1024;

/// In what an edited text is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The encoding. Another one than the text was read in converts all of it.
    pub encoding: Encoding,
    /// How all lines are to end; unless given, each keeps its own end, and a new one takes that of the line before it.
    pub line_end: Option<LineEnd>,
}

/// The bytes of `new`, where `old` were the bytes of the text that was edited, decoded as `encoding`. Neither has a byte
/// order mark. In `new`, any of `\n`, `\r\n` and `\r` ends a line, whichever the bytes have.
///
/// What `new` has in common with the old text keeps its bytes, so that what comes out always decodes to `new`.
///
/// # Errors
/// [`Lacking`] where characters can't be written in the target's encoding; U+FFFD among them where invalid bytes would have
/// to be converted.
pub fn splice(old: &[u8], encoding: Encoding, new: &str, target: Target) -> Result<Vec<u8>, Lacking> {
    let until = Instant::now() + PATIENCE;
    let old: Vec<Line<'_>> = lines(old, encoding).collect();
    let texts: Vec<Cow<'_, str>> = old.iter().map(|line| encoding.decode(line.body).text).collect();
    let before: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let after = pieces(new);
    let mut splicer =
        Splicer { encoding, target, until, out: Vec::with_capacity(after.len()), lacking: BTreeSet::new() };
    for op in capture_diff_slices_deadline(Algorithm::Myers, &before, &after, Some(until)) {
        let (was, is) = (op.old_range(), op.new_range());
        let lines = old.get(was).unwrap_or_default();
        let texts = after.get(is).unwrap_or_default();
        match op {
            DiffOp::Equal { .. } => lines.iter().zip(texts).for_each(|(line, text)| splicer.keep(line, text)),
            DiffOp::Delete { .. } => {}
            // As many lines as before: each is taken for the edited old one.
            _ if lines.len() == texts.len() => {
                lines.iter().zip(texts).for_each(|(line, text)| splicer.edit(&[*line], &[*text]));
            }
            _ => splicer.edit(lines, texts),
        }
    }
    let own = most(&old);
    let bytes = splicer.finish(own)?;
    // Invalid bytes can join with what comes beside them; half a UTF-16 unit puts all that follows one byte off.
    let reads = lines(&bytes, target.encoding).map(|line| target.encoding.decode(line.body).text);
    if reads.eq(after.iter().copied()) {
        return Ok(bytes);
    }
    Err(Lacking { encoding: target.encoding, characters: BTreeSet::from(['\u{fffd}']) })
}

/// The line end that most lines have.
fn most(lines: &[Line<'_>]) -> LineEnd {
    let count = |end: LineEnd| lines.iter().filter(|line| line.end == Some(end)).count();
    let ends = [LineEnd::Cr, LineEnd::Crlf, LineEnd::Lf];
    ends.into_iter().max_by_key(|end| count(*end)).unwrap_or(LineEnd::Lf)
}

struct Splicer<'a> {
    encoding: Encoding,
    target: Target,
    until: Instant,
    out: Vec<(Cow<'a, [u8]>, Option<LineEnd>)>,
    lacking: BTreeSet<char>,
}

/// A character of the old text, or a line end.
#[derive(Clone, Copy)]
struct Old<'a> {
    bytes: &'a [u8],
    end: Option<LineEnd>,
}

impl<'a> Splicer<'a> {
    fn converts(&self) -> bool {
        self.encoding != self.target.encoding
    }

    /// A line that was not edited.
    fn keep(&mut self, line: &Line<'a>, text: &'a str) {
        let body = if self.converts() {
            self.refuse_invalid(&[*line], text);
            self.encode(text)
        } else {
            Cow::Borrowed(line.body)
        };
        self.out.push((body, line.end));
    }

    /// Lines that were edited; none where all are new.
    fn edit(&mut self, old: &[Line<'a>], new: &[&'a str]) {
        let last = old.last().and_then(|line| line.end);
        if old.is_empty() || self.converts() {
            for (i, text) in new.iter().enumerate() {
                self.refuse_invalid(old, text);
                let body = self.encode(text);
                let end = if i + 1 == new.len() { last } else { old.get(i).and_then(|line| line.end) };
                self.out.push((body, end));
            }
            return;
        }
        if old.len().max(new.len()) > 1 && is_long(old, new) {
            self.edit_each(old, new);
            return;
        }
        let text = new.join("\n");
        let spliced = self.spliced(old, &text);
        let whole = |lines: &[(Vec<u8>, Option<LineEnd>)]| {
            lines.len() == new.len()
                && lines.iter().zip(new).all(|((body, _), text)| self.encoding.decode(body).text == **text)
        };
        if whole(&spliced) {
            self.out.extend(spliced.into_iter().map(|(body, end)| (Cow::Owned(body), end)));
        } else {
            // What was left over would join with its new neighbours into something else: it is written anew.
            self.refuse_invalid(old, &text);
            for text in new {
                let body = self.encode(text);
                self.out.push((body, None));
            }
        }
        if let Some(newest) = self.out.last_mut() {
            newest.1 = last;
        }
    }

    /// Lines that are too long to be compared as one text: the first is taken for the edited first old one, and so on.
    fn edit_each(&mut self, old: &[Line<'a>], new: &[&'a str]) {
        for (i, text) in new.iter().enumerate() {
            match old.get(i) {
                Some(line) => self.edit(&[*line], &[*text]),
                None => {
                    let body = self.encode(text);
                    self.out.push((body, None));
                }
            }
        }
        if let Some(newest) = self.out.last_mut() {
            newest.1 = old.last().and_then(|line| line.end);
        }
    }

    /// The lines of `new`, with the bytes of `old` where the characters are the same.
    fn spliced(&mut self, old: &[Line<'a>], new: &str) -> Vec<(Vec<u8>, Option<LineEnd>)> {
        let [line] = old else { return self.by_units(old, new) };
        if new.contains('\n') {
            return self.by_units(old, new);
        }
        // Only what lies between the common beginning and the common end is compared, however long the line is.
        let (was, is) = self.middles(line.body, new);
        let middle = line.body.get(was.clone()).unwrap_or_default();
        let typed = new.get(is).unwrap_or_default();
        let part = Line { body: middle, end: line.end };
        let spliced = if middle.len().max(typed.len()) > COMPARED {
            self.refuse_invalid(&[part], typed);
            self.encode(typed).into_owned()
        } else {
            self.by_units(&[part], typed).into_iter().flat_map(|(body, _)| body).collect()
        };
        let begin = line.body.get(..was.start).unwrap_or_default();
        let end = line.body.get(was.end..).unwrap_or_default();
        vec![([begin, &spliced, end].concat(), None)]
    }

    /// What differs between the old line and its new text, in bytes of each; whole characters only.
    fn middles(&self, body: &[u8], new: &str) -> (Range<usize>, Range<usize>) {
        let text = self.encoding.decode(body).text;
        let (head, tail) = common(&text, new);
        let last = text.len() - tail;
        let (mut raw, mut at) = (0, 0);
        let (mut begin, mut end) = ((0, 0), None);
        let mut border = |raw: usize, at: usize| {
            if at <= head {
                begin = (raw, at);
            }
            if at >= last && end.is_none() {
                end = Some((raw, at));
            }
        };
        self.encoding.each_unit(body, |unit| {
            border(raw, at);
            raw += unit.bytes.len();
            at += unit.letters.into_iter().map(char::len_utf8).sum::<usize>();
        });
        border(raw, at);
        let end = end.unwrap_or((body.len(), text.len()));
        (begin.0..end.0, begin.1..new.len() - (text.len() - end.1))
    }

    fn by_units(&mut self, old: &[Line<'a>], new: &str) -> Vec<(Vec<u8>, Option<LineEnd>)> {
        let (mut before, mut units) = (Vec::new(), Vec::new());
        for (i, line) in old.iter().enumerate() {
            if i > 0 {
                before.push(Letters::one('\n'));
                units.push(Old { bytes: b"", end: old.get(i - 1).and_then(|line| line.end) });
            }
            self.encoding.each_unit(line.body, |unit| {
                before.push(unit.letters);
                units.push(Old { bytes: unit.bytes, end: None });
            });
        }
        let after = Letters::of(new, &before);
        let mut lines = vec![(Vec::new(), None)];
        for op in capture_diff_slices_deadline(Algorithm::Myers, &before, &after, Some(self.until)) {
            if let DiffOp::Equal { old_index, len, .. } = op {
                for unit in units.get(old_index..old_index + len).unwrap_or_default() {
                    push(&mut lines, unit.bytes, unit.end);
                }
                continue;
            }
            let typed: String =
                after.get(op.new_range()).unwrap_or_default().iter().copied().flatten().collect();
            for (i, piece) in typed.split('\n').enumerate() {
                if i > 0 {
                    lines.push((Vec::new(), None));
                }
                let bytes = self.encode(piece).into_owned();
                push(&mut lines, &bytes, None);
            }
        }
        lines
    }

    fn encode<'t>(&mut self, text: &'t str) -> Cow<'t, [u8]> {
        self.target.encoding.encode(text).unwrap_or_else(|lacking| {
            self.lacking.extend(lacking.characters);
            Cow::Borrowed(b"")
        })
    }

    /// Invalid bytes mean nothing in another encoding, and U+FFFD is no substitute for them.
    fn refuse_invalid(&mut self, old: &[Line<'_>], text: &str) {
        if text.contains('\u{fffd}') && old.iter().any(|line| !self.encoding.decode(line.body).valid) {
            self.lacking.insert('\u{fffd}');
        }
    }

    /// All of it. A line without an end of its own takes that of the one before it, or else of the one after it.
    fn finish(self, own: LineEnd) -> Result<Vec<u8>, Lacking> {
        let Target { encoding, line_end } = self.target;
        if !self.lacking.is_empty() {
            return Err(Lacking { encoding, characters: self.lacking });
        }
        let count = self.out.len();
        let mut end = self.out.iter().find_map(|(_, end)| *end).unwrap_or(own);
        let mut bytes = Vec::with_capacity(self.out.iter().map(|(body, _)| body.len() + 2).sum());
        let mut last = None;
        for (i, (body, its)) in self.out.into_iter().enumerate() {
            bytes.extend_from_slice(&body);
            if i + 1 < count {
                end = its.unwrap_or(end);
                let mut written = line_end.unwrap_or(end);
                // Directly behind a lone CR, an LF would end the same line once more.
                if body.is_empty() && last == Some(LineEnd::Cr) && written == LineEnd::Lf {
                    written = LineEnd::Cr;
                }
                bytes.extend_from_slice(&encoding.encode(written.text())?);
                last = Some(written);
            }
        }
        Ok(bytes)
    }
}

fn is_long(old: &[Line<'_>], new: &[&str]) -> bool {
    let was: usize = old.iter().map(|line| line.body.len()).sum();
    let is: usize = new.iter().map(|text| text.len()).sum();
    was.max(is) > COMPARED
}

/// How many bytes two texts have in common at their beginnings and at their ends: whole characters, none of them twice.
fn common(a: &str, b: &str) -> (usize, usize) {
    let mut head = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    while !(a.is_char_boundary(head) && b.is_char_boundary(head)) {
        head -= 1;
    }
    let rest = a.bytes().skip(head).rev().zip(b.bytes().skip(head).rev());
    let mut tail = rest.take_while(|(a, b)| a == b).count();
    while !(a.is_char_boundary(a.len() - tail) && b.is_char_boundary(b.len() - tail)) {
        tail -= 1;
    }
    (head, tail)
}

/// A line end where `end` is one, more of the line otherwise.
fn push(lines: &mut Vec<(Vec<u8>, Option<LineEnd>)>, bytes: &[u8], end: Option<LineEnd>) {
    if let Some((body, its)) = lines.last_mut() {
        if end.is_none() {
            body.extend_from_slice(bytes);
            return;
        }
        *its = end;
    }
    lines.push((Vec::new(), None));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splicer(encoding: Encoding) -> Splicer<'static> {
        let target = Target { encoding, line_end: None };
        Splicer {
            encoding,
            target,
            until: Instant::now() + PATIENCE,
            out: Vec::new(),
            lacking: BTreeSet::new(),
        }
    }

    #[test]
    fn of_a_long_line_only_what_differs_is_compared() {
        for name in ["UTF-8", "windows-1252", "GBK", "UTF-16LE"] {
            let encoding = Encoding::named(name).unwrap();
            let text = "caf\u{e9} ".repeat(1_000);
            let body = encoding.encode(&text).unwrap().into_owned();
            for at in [0, text.len() / 2, text.len()] {
                let mut new = text.clone();
                new.insert(at, 'x');
                let (was, is) = splicer(encoding).middles(&body, &new);
                assert_eq!((was.len(), &new[is]), (0, "x"), "{name} at {at}");
            }
            assert_eq!(splicer(encoding).middles(&body, &text).0.len(), 0, "{name}");
        }
        assert_eq!(common("\u{e9}a", "\u{e8}a"), (0, 1), "no half characters");
        assert_eq!(common("aa", "aaa"), (2, 0), "nothing twice");
    }

    #[test]
    fn a_byte_that_is_invalid_keeps_its_value_in_a_line_too_long_to_be_compared() {
        let long = "a".repeat(2 * COMPARED);
        let old = [b"\xff", long.as_bytes(), b"\xfe"].concat();
        let new = format!("\u{fffd}{}\u{fffd}", "b".repeat(2 * COMPARED));
        let target = Target { encoding: Encoding::UTF_8, line_end: None };
        let bytes = splice(&old, Encoding::UTF_8, &new, target).unwrap();
        assert_eq!((bytes.first(), bytes.last(), bytes.len()), (Some(&0xff), Some(&0xfe), old.len()));
        // Between two edits that are far apart it can't be found again, and is not replaced by another one.
        let old = [b"x", long.as_bytes(), b"\xff", long.as_bytes(), b"x"].concat();
        let new = format!("y{long}\u{fffd}{long}y");
        assert!(splice(&old, Encoding::UTF_8, &new, target).is_err());
    }
}
