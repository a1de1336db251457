//! Decoding names in archives that aren't UTF-8.

use crate::files::{FileError, FileResult};
use chardetng::EncodingDetector;
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, SHIFT_JIS};

/// The encodings that are detected. Others can't be told apart by a few short names.
const RECOGNISED: [&Encoding; 7] = [GBK, GB18030, BIG5, SHIFT_JIS, EUC_JP, EUC_KR, IBM866];
/// The upper half of code page 437, in which a zip's names are unless it says otherwise (APPNOTE.TXT, appendix D.1).
const CP437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö',
    'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐',
    '¬', '½', '¼', '¡', '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛',
    '┐', '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙',
    '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ',
    'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²',
    '■', '\u{a0}',
];

/// How to decode names.
#[derive(Clone, Copy)]
pub(super) enum Names {
    Cp437,
    Of(&'static Encoding),
}

impl Names {
    /// By a label: `cp437`, or one of the WHATWG's (`gbk`, `shift_jis`, `windows-1252`, …).
    ///
    /// # Errors
    /// [`FileError::Invalid`] for an unknown label.
    pub(super) fn chosen(label: &str) -> FileResult<Self> {
        match label.trim().to_lowercase().as_str() {
            "cp437" | "ibm437" => Ok(Self::Cp437),
            other => Encoding::for_label(other.as_bytes()).map(Self::Of).ok_or_else(|| {
                FileError::Invalid(format!(
                    "{label:?} is not a known encoding. Use one such as cp437, gbk or shift_jis."
                ))
            }),
        }
    }

    /// Detected from all names of an archive.
    pub(super) fn recognised<'n>(names: impl Iterator<Item = &'n [u8]> + Clone) -> Self {
        let odd = names.filter(|name| std::str::from_utf8(name).is_err());
        let mut detector = EncodingDetector::new();
        for name in odd.clone() {
            detector.feed(name, false);
            detector.feed(b"\n", false);
        }
        detector.feed(b"", true);
        let (guess, sure) = detector.guess_assess(None, false);
        let fits = |name: &[u8]| guess.decode_without_bom_handling_and_without_replacement(name).is_some();
        if sure && RECOGNISED.contains(&guess) && odd.clone().all(fits) {
            Self::Of(guess)
        } else {
            Self::Cp437
        }
    }

    pub(super) fn decode(&self, name: &[u8]) -> String {
        match self {
            Self::Of(encoding) => encoding.decode_without_bom_handling(name).0.into_owned(),
            Self::Cp437 => name.iter().map(|byte| in_cp437(*byte)).collect(),
        }
    }
}

fn in_cp437(byte: u8) -> char {
    byte.checked_sub(0x80).and_then(|at| CP437.get(usize::from(at))).copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_by_all_of_them() {
        let cases: [(&Encoding, &[&str]); 3] = [
            (GBK, &["中文/存档.txt", "世界/地图.dat", "配置文件.properties"]),
            (SHIFT_JIS, &["日本語/ソフト.txt", "ワールド/表示.dat"]),
            (IBM866, &["Мир/Настройки.txt", "Привет.cfg"]),
        ];
        for (encoding, names) in cases {
            let raw: Vec<Vec<u8>> = names.iter().map(|name| encoding.encode(name).0.into_owned()).collect();
            let found = Names::recognised(raw.iter().map(Vec::as_slice));
            let read: Vec<String> = raw.iter().map(|name| found.decode(name)).collect();
            assert_eq!(read, names, "{}", encoding.name());
        }
    }

    #[test]
    fn what_is_not_recognised_is_what_zips_begin_with() {
        let names = [b"\x81ber/Stra\xe1e.txt".as_slice(), b"caf\x82.txt"];
        let found = Names::recognised(names.iter().copied());
        assert_eq!(found.decode(names[0]), "über/Straße.txt");
        assert_eq!(found.decode(names[1]), "café.txt");
    }

    #[test]
    fn an_encoding_is_chosen_by_its_label() {
        assert_eq!(Names::chosen("Shift_JIS").ok().unwrap().decode(b"\x83\x5c"), "ソ");
        assert_eq!(Names::chosen("cp437").ok().unwrap().decode(b"\x83\x5c"), "â\\");
        assert!(Names::chosen("klingon").is_err());
    }
}
