use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A text in an encoding, and its bytes as another program writes them.
const TABLE: [(&str, &str, &str); 10] = [
    ("windows-1252", "motd=café §a €", "6d6f74643d636166e920a7612080"),
    ("windows-1251", "motd=Привет, игроки", "6d6f74643dcff0e8e2e5f22c20e8e3f0eeeae8"),
    ("GBK", "motd=欢迎来到服务器", "6d6f74643dbbb6d3adc0b4b5bdb7fecef1c6f7"),
    ("gb18030", "motd=欢迎 😀", "6d6f74643dbbb6d3ad209439fc36"),
    ("Shift_JIS", "motd=サーバーへようこそ 表", "6d6f74643d8354815b836f815b82d682e682a482b182bb20955c"),
    (
        "EUC-KR",
        "motd=서버에 오신 것을 환영합니다",
        "6d6f74643dbcadb9f6bfa120bfc0bdc520b0cdc0bb20c8afbfb5c7d5b4cfb4d9",
    ),
    ("Big5", "motd=歡迎來到伺服器 許功蓋", "6d6f74643dc577aaefa8d3a8eca6f8aa41beb920b35ca55cbb5c"),
    ("UTF-16LE", "motd=Grüße 服", "6d006f00740064003d0047007200fc00df00650020000d67"),
    ("UTF-16BE", "motd=Grüße 服", "006d006f00740064003d0047007200fc00df00650020670d"),
    ("UTF-8", "motd=Grüße 服 😀", "6d6f74643d4772c3bcc39f6520e69c8d20f09f9880"),
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| byte.is_ascii_hexdigit()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn named(name: &str) -> Encoding {
    Encoding::named(name).unwrap()
}

fn same(encoding: Encoding) -> Target {
    Target { encoding, line_end: None }
}

fn saved(old: &[u8], encoding: Encoding, new: &str) -> Vec<u8> {
    splice(old, encoding, new, same(encoding)).unwrap()
}

/// As an editor has it: all lines end in `\n`.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[test]
fn a_text_is_read_and_written_as_other_programs_do() {
    for (name, text, bytes) in TABLE {
        let (encoding, bytes) = (named(name), hex(bytes));
        let decoded = decode(&bytes, encoding);
        assert_eq!((decoded.text.as_str(), decoded.invalid), (text, false), "{name}");
        assert_eq!(*encoding.encode(text).unwrap(), *bytes, "{name}");
    }
}

#[test]
fn saving_changes_only_what_was_typed() {
    for (name, text, bytes) in TABLE {
        let (encoding, bytes) = (named(name), hex(bytes));
        let z = encoding.encode("Z").unwrap().into_owned();
        assert_eq!(
            saved(&bytes, encoding, &format!("{text}Z")),
            [&*bytes, &*z].concat(),
            "{name}: at the end"
        );
        assert_eq!(
            saved(&bytes, encoding, &format!("Z{text}")),
            [&*z, &*bytes].concat(),
            "{name}: at the beginning"
        );
        // A letter of the encoding's own, typed again.
        let last = text.chars().last().unwrap().to_string();
        let typed = encoding.encode(&last).unwrap().into_owned();
        assert_eq!(
            saved(&bytes, encoding, &format!("{text}{last}")),
            [&*bytes, &*typed].concat(),
            "{name}: {last}"
        );
    }
}

#[test]
fn latin_1_with_windows_line_ends_keeps_every_byte() {
    let bytes = hex("6d6f74643d636166e920a7610d0a706f72743d310d0a");
    let recognised = recognise(&bytes).unwrap();
    assert_eq!(recognised.encoding.name(), "windows-1252");
    let decoded = decode(&bytes, recognised.encoding);
    assert_eq!(decoded.text, "motd=café §a\r\nport=1\r\n");
    assert_eq!(decoded.line_ends, LineEnds::Crlf);
    let new = normal(&decoded.text) + "Z";
    assert_eq!(saved(&bytes, recognised.encoding, &new), [&*bytes, b"Z"].concat());
}

#[test]
fn line_ends_stay_as_they_are_and_new_lines_take_their_neighbours() {
    let utf8 = Encoding::UTF_8;
    assert_eq!(saved(b"a\r\nb\r\n", utf8, "a\nb\nZ"), b"a\r\nb\r\nZ");
    assert_eq!(saved(b"a\nb\r\nc\rd", utf8, "a\nbZ\nc\nd"), b"a\nbZ\r\nc\rd");
    assert_eq!(saved(b"a\nb\r\nc\rd", utf8, "a\nb\nnew\nc\nd"), b"a\nb\r\nnew\r\nc\rd");
    assert_eq!(saved(b"a\r\nb", utf8, "a\nb\nc"), b"a\r\nb\r\nc");
    assert_eq!(saved(b"a\r\nb", utf8, "a\nb\n"), b"a\r\nb\r\n");
    assert_eq!(saved(b"a\r\nb\r\n", utf8, "a\nb"), b"a\r\nb");
    assert_eq!(saved(b"ab\r\nc\r\n", utf8, "a\nb\nc\n"), b"a\r\nb\r\nc\r\n");
    assert_eq!(saved(b"a\r\nb\r\nc\n", utf8, "a\nc\n"), b"a\r\nc\n");
    assert_eq!(saved(b"", utf8, "a\nb\n"), b"a\nb\n");
    assert_eq!(saved(b"one", utf8, "zero\none"), b"zero\none");
    // What a caller sends with the file's own ends is the same.
    assert_eq!(saved(b"a\r\nb\r\n", utf8, "a\r\nb\r\nZ"), b"a\r\nb\r\nZ");
    let wide = Encoding::UTF_16LE;
    assert_eq!(saved(b"a\0\r\0\n\0", wide, "a\nZ"), b"a\0\r\0\n\0Z\0");
    let target = Target { encoding: utf8, line_end: Some(LineEnd::Lf) };
    assert_eq!(splice(b"a\r\nb\rc", utf8, "a\nb\nc", target).unwrap(), b"a\nb\nc");
}

#[test]
fn bytes_that_decoding_would_normalise_survive_beside_what_was_typed() {
    // Both are the euro sign in GBK, and both are the negation sign in Shift_JIS.
    for (name, line) in [("GBK", &b"\x80 \xa2\xe3 x"[..]), ("Shift_JIS", b"\x81\xca \xee\xf9 x")] {
        let encoding = named(name);
        let text = decode(line, encoding).text;
        let twice: Vec<char> = text.chars().step_by(2).take(2).collect();
        assert_eq!(twice[0], twice[1], "{name}");
        assert_eq!(saved(line, encoding, &format!("{text}Z")), [line, b"Z"].concat(), "{name}");
        assert_eq!(
            saved(line, encoding, &text.replace('x', "Zx")),
            [&line[..line.len() - 1], b"Zx"].concat(),
            "{name}"
        );
    }
}

#[test]
fn invalid_bytes_survive_wherever_the_text_is_edited() {
    for (name, line) in [
        ("UTF-8", &b"a\xff\xe2\x82 b\xc3\n\xfe"[..]),
        ("GBK", b"a\xff b\x81\n\xff c"),
        ("Shift_JIS", b"a\xfd\xff b\x81\n\xa0 c"),
        ("UTF-16LE", b"a\0\0\xd8b\0\n\0\0\xdc"),
    ] {
        let encoding = named(name);
        let decoded = decode(line, encoding);
        assert!(decoded.invalid && decoded.text.contains('\u{fffd}'), "{name}");
        assert_eq!(saved(line, encoding, &decoded.text), line, "{name}");
        let z = encoding.encode("Z").unwrap();
        let new = saved(line, encoding, &format!("Z{}", decoded.text));
        assert_eq!(new, [&*z, line].concat(), "{name}");
    }
}

#[test]
fn a_character_that_the_encoding_lacks_is_named_and_never_replaced() {
    let lacking = |name: &str, text: &str| {
        let encoding = named(name);
        splice(b"a\n", encoding, text, same(encoding)).unwrap_err()
    };
    assert_eq!(lacking("windows-1252", "a\n服务 €").characters, BTreeSet::from(['服', '务']));
    assert_eq!(lacking("GBK", "😀\n").to_string(), "GBK can't represent “😀”. Remove it, or use UTF-8.");
    // What would come back as something else is lacking as well: a yen sign as a backslash.
    assert_eq!(lacking("Shift_JIS", "a¥").characters, BTreeSet::from(['¥']));
    assert!(splice(b"a\n", named("gb18030"), "😀\n", same(named("gb18030"))).is_ok());
}

#[test]
fn a_text_is_converted_as_a_whole_and_invalid_bytes_are_not() {
    let latin = Encoding::WINDOWS_1252;
    assert_eq!(
        splice(b"caf\xe9\r\n", latin, "caf\u{e9}\n", same(Encoding::UTF_8)).unwrap(),
        "café\r\n".as_bytes()
    );
    assert_eq!(splice(b"a\xe9\n", latin, "aé\n", same(Encoding::UTF_16BE)).unwrap(), b"\0a\0\xe9\0\n");
    let refused = splice(b"a\xff\n", Encoding::UTF_8, "a\u{fffd}\n", same(latin)).unwrap_err();
    assert!(refused.to_string().contains("not valid in its encoding"), "{refused}");
    let refused = splice(b"a\xff\n", named("GBK"), "a\u{fffd}\n", same(Encoding::UTF_8));
    assert!(refused.is_err());
}

#[test]
fn encodings_are_recognised() {
    let texts = [
        (
            "windows-1252",
            "# Démarrage du serveur : préférences générales\nmotd=Bienvenue à tous les joueurs français\n",
        ),
        ("windows-1251", "# Настройки сервера\nmotd=Добро пожаловать на наш игровой сервер\n"),
        ("GBK", "# 服务器配置文件\nmotd=欢迎来到我们的游戏服务器，祝你玩得开心\n"),
        ("Shift_JIS", "# サーバーの設定ファイルです\nmotd=私たちのゲームサーバーへようこそ\n"),
        ("EUC-KR", "# 서버 설정 파일입니다\nmotd=우리 게임 서버에 오신 것을 환영합니다\n"),
        ("Big5", "# 伺服器設定檔案\nmotd=歡迎來到我們的遊戲伺服器，祝你玩得開心\n"),
    ];
    for (name, text) in texts {
        let bytes = named(name).encode(text).unwrap();
        let found = recognise(&bytes).unwrap();
        assert_eq!((found.encoding.name(), found.certain), (name, false));
    }
    let sure = |bytes: &[u8]| recognise(bytes).map(|found| (found.encoding.name(), found.certain));
    assert_eq!(sure(b"motd=Hi\n"), Some(("UTF-8", true)));
    assert_eq!(sure(b""), Some(("UTF-8", true)));
    assert_eq!(sure("motd=Grüße".as_bytes()), Some(("UTF-8", true)));
    assert_eq!(sure(b"\xef\xbb\xbfkey=1\n"), Some(("UTF-8", true)));
    for encoding in [Encoding::UTF_16LE, Encoding::UTF_16BE] {
        let bytes = encoding.encode("[Server]\r\nName=Grüße 服务器\r\n").unwrap();
        assert_eq!(sure(&[encoding.mark(), &bytes].concat()), Some((encoding.name(), true)));
        assert_eq!(sure(&bytes), Some((encoding.name(), true)), "without a mark");
    }
    // A log in UTF-8 that was cut inside a character once.
    let cut = [&b"\xbc "[..], "Grüße äöü ß".as_bytes()].concat();
    assert_eq!(sure(&cut), Some(("UTF-8", false)));
}

#[test]
fn what_is_no_text_is_not_taken_for_text() {
    let numbers: Vec<u8> = (0..2_000_u16).flat_map(u16::to_le_bytes).collect();
    let packed: Vec<u8> = (0..4_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0"[..],
        b"abc\0def",
        b"PK\x03\x04\x14\0\0\0",
        &numbers,
        &packed,
        b"\xff\xfe\0\0a\0\0\0",
    ] {
        assert_eq!(recognise(bytes), None);
    }
}

#[test]
fn names_are_those_of_the_standard_and_their_aliases() {
    assert_eq!(named("latin1").name(), "windows-1252");
    assert_eq!(named("gb2312").name(), "GBK");
    assert_eq!(serde_json::to_string(&named("sjis")).unwrap(), "\"Shift_JIS\"");
    assert_eq!(serde_json::from_str::<Encoding>("\"gbk\"").unwrap(), Encoding::GBK);
    for unknown in ["", "klingon", "iso-2022-jp", "replacement", "x-user-defined"] {
        assert_eq!(Encoding::named(unknown), None, "{unknown}");
        assert!(serde_json::from_value::<Encoding>(unknown.into()).is_err());
    }
}

#[test]
fn a_border_is_between_two_characters() {
    let bytes = hex("61b7fecef162");
    for (at, border) in [(0, 0), (1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (6, 6), (99, 6)] {
        assert_eq!(Encoding::GBK.border(&bytes, at), border, "{at}");
    }
}

fn any_encoding() -> impl Strategy<Value = Encoding> {
    prop::sample::select(TABLE.map(|(name, ..)| named(name)).to_vec())
}

/// Bytes that are likely to be lead bytes, second bytes and line ends.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(&b"\r\n\n\0ab\x81\x30\xa2\xe3\xd8\xdc\x88\x62\xc3\xbc"[..])
    ];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn what_was_not_edited_is_not_changed(bytes in any_bytes(), encoding in any_encoding()) {
        let decoded = decode(&bytes, encoding);
        prop_assert_eq!(&saved(&bytes, encoding, &decoded.text), &bytes);
        prop_assert_eq!(&saved(&bytes, encoding, &normal(&decoded.text)), &bytes);
    }

    #[test]
    fn what_is_saved_reads_as_it_was_typed(
        bytes in any_bytes(),
        encoding in any_encoding(),
        cut in any::<prop::sample::Index>(),
        gone in 0_usize..8,
        typed in "[aZé服😀\n]{0,6}",
    ) {
        let mut letters: Vec<char> = normal(&decode(&bytes, encoding).text).chars().collect();
        let at = cut.index(letters.len() + 1);
        let end = letters.len().min(at + gone);
        letters.splice(at..end, typed.chars());
        let new: String = letters.into_iter().collect();
        // What can't be written is refused; everything else reads as it was typed.
        if let Ok(saved) = splice(&bytes, encoding, &new, same(encoding)) {
            prop_assert_eq!(normal(&decode(&saved, encoding).text), new);
        } else {
            // Invalid bytes that would join with what was typed beside them can't be kept.
            let invalid = decode(&bytes, encoding).text.contains('\u{fffd}');
            let refused = invalid || encoding.encode(&typed).is_err();
            prop_assert!(refused);
        }
    }
}

#[test]
fn long_lines_that_were_parted_or_joined_keep_their_other_bytes() {
    let long = [&b"a\xe9".repeat(600 << 10)[..], b"\r\n", &b"\xe8b".repeat(600 << 10), b"\nlast"].concat();
    let encoding = named("windows-1252");
    let text = normal(&decode(&long, encoding).text);
    let parted = text.replacen("b\u{e8}", "b\n\u{e8}", 1);
    for new in [parted, text.replacen('\n', "", 1)] {
        let bytes = saved(&long, encoding, &new);
        assert_eq!(normal(&decode(&bytes, encoding).text), new);
        assert!(bytes.starts_with(b"a\xe9a\xe9") && bytes.ends_with(b"\nlast"));
    }
}
