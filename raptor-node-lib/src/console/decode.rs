//! Decoding a terminal's output into lines.

use raptor_model::text::Encoding;

/// Longest line in bytes; longer ones are split.
const MAX_LINE: usize = 32 * 1024;

/// Turns chunks of bytes into lines, regardless of how the chunks are split.
pub struct Decoder {
    rest: Vec<u8>,
    consumed: u64,
    encoding: Encoding,
}

impl Decoder {
    /// A decoder whose first byte is at offset `consumed` of the run's output.
    #[must_use]
    pub fn at(consumed: u64) -> Self {
        Self { rest: Vec::new(), consumed, encoding: Encoding::UTF_8 }
    }

    /// Decodes further lines from this encoding, in which a newline is a single byte. The default is UTF-8.
    pub fn read_as(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// The lines that `chunk` completes, each with the offset of its end in the run's output.
    pub fn feed(&mut self, chunk: &[u8]) -> Vec<(String, u64)> {
        let mut lines = Vec::new();
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            self.consumed += piece.len() as u64;
            let complete = piece.ends_with(b"\n");
            while self.rest.len() > MAX_LINE + 2 {
                let cut = self.border();
                let after = self.rest.split_off(cut);
                let text = self.encoding.decode(&self.rest).text.into_owned();
                self.rest = after;
                lines.push((text, self.consumed - self.rest.len() as u64));
            }
            if complete {
                lines.push((self.text(&self.rest), self.consumed));
                self.rest.clear();
            }
        }
        lines
    }

    /// The text after the last newline.
    #[must_use]
    pub fn partial(&self) -> String {
        self.text(&self.rest)
    }

    /// Whether there is text after the last newline.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The last, unfinished line, once the output has ended.
    pub fn finish(&mut self) -> Option<(String, u64)> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { None } else { Some((self.text(&rest), self.consumed)) }
    }

    /// The text without its line end. Terminals end lines with `\r\n`, some programs with more.
    fn text(&self, bytes: &[u8]) -> String {
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        self.encoding.decode(bytes.get(..end).unwrap_or_default()).text.into_owned()
    }

    /// Where to split a line that is too long: between two characters, and not at its very beginning.
    fn border(&self) -> usize {
        if self.encoding == Encoding::UTF_8 {
            return border(&self.rest, MAX_LINE);
        }
        self.encoding.border(&self.rest, MAX_LINE).max(1)
    }
}

/// The last position at or before `at` that is not inside of a UTF-8 character.
fn border(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|at| bytes.get(*at).is_some_and(|byte| byte & 0xC0 != 0x80))
        .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::at(0);
        let mut lines: Vec<_> = chunks.iter().flat_map(|chunk| decoder.feed(chunk)).collect();
        lines.extend(decoder.finish());
        lines.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn lines_do_not_depend_on_where_the_chunks_are_cut() {
        let whole = "Grüße\r\n\r\n10%\r20%\r\nlast".as_bytes();
        let expected = texts(&[whole]);
        assert_eq!(expected, ["Grüße", "", "10%\r20%", "last"]);
        for cut in 0..whole.len() {
            assert_eq!(texts(&[&whole[..cut], &whole[cut..]]), expected, "cut at {cut}");
        }
    }

    /// Whatever a program writes and however it is chunked: the same lines, none too long, and every byte is counted.
    fn the_same_lines(bytes: &[u8], mut cuts: Vec<usize>, start: u64) {
        let mut whole = Decoder::at(start);
        let mut expected = whole.feed(bytes);
        assert_eq!(whole.has_partial(), whole.finish().map(|last| expected.push(last)).is_some());

        for cut in &mut cuts {
            *cut = bytes.len().min(*cut);
        }
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::at(start);
        let mut lines = Vec::new();
        for pair in cuts.windows(2) {
            lines.extend(decoder.feed(&bytes[pair[0]..pair[1]]));
        }
        lines.extend(decoder.finish());
        assert_eq!(lines, expected);

        let ends: Vec<u64> = lines.iter().map(|(_, end)| *end).collect();
        assert!(ends.is_sorted());
        assert_eq!(ends.last().map_or(0, |end| end - start), bytes.len() as u64);
        assert!(lines.iter().all(|(text, _)| !text.contains('\n') && !text.ends_with('\r')));
        // A daemon that resumes at the end of any line decodes the rest the same way.
        if let Some((i, end)) = ends.iter().enumerate().nth(ends.len() / 2) {
            let mut rest = Decoder::at(*end);
            let mut again = rest.feed(&bytes[usize::try_from(end - start).unwrap()..]);
            again.extend(rest.finish());
            assert_eq!(again[..], lines[i + 1..]);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_the_same_lines_however_they_are_cut(
            bytes in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::prelude::any::<u8>(),
                    proptest::sample::select(&b"\x1b[31m\r\n\n\xc3\xbc\xf0\x9f\x8e\xae"[..]),
                ],
                0..2_000,
            ),
            cuts in proptest::collection::vec(0_usize..2_000, 0..8),
            start in 0_u64..1 << 40,
        ) {
            the_same_lines(&bytes, cuts, start);
        }
    }

    #[test]
    fn fuzz_lines() {
        crate::fuzz::briefly(bolero::check!()).for_each(|bytes: &[u8]| {
            let (cuts, text) = bytes.split_at(bytes.len().min(8));
            let cuts =
                cuts.chunks(2).map(|cut| cut.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
            the_same_lines(text, cuts.map(|cut| cut % (text.len() + 1)).collect(), 7);
        });
    }

    #[test]
    fn output_in_gbk_is_read_as_such_wherever_the_chunks_are_cut() {
        // Output of a Chinese Windows program; the second byte of its second character is a backslash in ASCII.
        let line = b"\xbb\xb6\xd3\xad\xb5\\\r\n";
        for cut in 0..line.len() {
            let mut decoder = Decoder::at(0);
            decoder.read_as(Encoding::GBK);
            let mut lines = decoder.feed(&line[..cut]);
            lines.extend(decoder.feed(&line[cut..]));
            assert_eq!(lines, [("欢迎礬".to_owned(), 8)], "cut at {cut}");
        }
        let long = [&b"\xbb\xb6".repeat(MAX_LINE)[..], b"\n"].concat();
        let mut decoder = Decoder::at(0);
        decoder.read_as(Encoding::GBK);
        let lines: Vec<String> = decoder.feed(&long).into_iter().map(|(text, _)| text).collect();
        assert!(lines.len() > 1);
        assert_eq!(lines.concat(), "欢".repeat(MAX_LINE));
    }

    #[test]
    fn what_is_no_utf8_is_shown_as_such_and_never_lost() {
        assert_eq!(texts(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn an_endless_line_is_cut_between_characters() {
        let long = "ü".repeat(MAX_LINE);
        let lines = texts(&[long.as_bytes(), b"\n"]);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= MAX_LINE + 2));
        assert_eq!(lines.concat(), long);
    }

    #[test]
    fn the_count_of_bytes_is_exact() {
        let mut decoder = Decoder::at(10);
        assert_eq!(decoder.feed(b"ab\r\nc"), [("ab".to_owned(), 14)]);
        assert_eq!(decoder.feed(b"d\n"), [("cd".to_owned(), 17)]);
    }
}
