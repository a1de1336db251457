//! Files that aren't UTF-8 can be edited and keep their encoding.

use super::{P, edits};
use crate::configfiles::{ConfigFileError, FileMemory, apply};
use encoding_rs::{BIG5, EUC_KR, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};
use proptest::prelude::*;
use serde_json::{Value, json};

fn edit(parser: P, bytes: &[u8], pairs: &[(&str, Value)]) -> Result<Vec<u8>, ConfigFileError> {
    apply(parser, bytes, &edits(pairs), &mut FileMemory::default())
}

/// Applies the edits twice: the second time must change nothing.
#[track_caller]
fn check(parser: P, bytes: &[u8], pairs: &[(&str, Value)], expected: &[u8]) {
    let edited = edit(parser, bytes, pairs).unwrap();
    assert_eq!(edited, expected, "{}", String::from_utf8_lossy(&edited));
    assert_eq!(edit(parser, &edited, pairs).unwrap(), edited, "a second time changes nothing");
}

fn utf16(text: &str, mark: bool, big_endian: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn one_byte_that_is_no_utf8_is_no_obstacle_in_any_format() {
    check(
        P::Properties,
        b"motd=\xa7aHi\nserver-port=9\n",
        &[("server-port", json!("1"))],
        b"motd=\xa7aHi\nserver-port=1\n",
    );
    check(
        P::File,
        b"// Serveur de J\xe9r\xf4me\r\nrcon_password \"old\"\r\n",
        &[("rcon_password", json!("rcon_password \"new\""))],
        b"// Serveur de J\xe9r\xf4me\r\nrcon_password \"new\"\r\n",
    );
    check(P::Ini, b"; \xe9\n[a]\nb=1\n", &[("a.b", json!("2"))], b"; \xe9\n[a]\nb=2\n");
    check(P::Yaml, b"# \xe9\na: 1\nb: \"\xa7x\"\n", &[("a", json!("2"))], b"# \xe9\na: 2\nb: \"\xa7x\"\n");
    check(
        P::Json,
        b"{\n  // \xe9\n  \"a\": 1,\n  \"b\": \"\xa7\"\n}\n",
        &[("a", json!("2"))],
        b"{\n  // \xe9\n  \"a\": 2,\n  \"b\": \"\xa7\"\n}\n",
    );
    check(P::Toml, b"# \xe9\na = 1\n", &[("a", json!("2"))], b"# \xe9\na = 2\n");
    check(P::Xml, b"<!-- \xe9 --><a><b>1</b></a>", &[("a.b", json!("2"))], b"<!-- \xe9 --><a><b>2</b></a>");
}

#[test]
fn values_are_written_in_the_encoding_of_the_file() {
    check(
        P::File,
        b"// J\xe9r\xf4me\nhostname x\n",
        &[("hostname", json!("hostname Caf\u{e9}"))],
        b"// J\xe9r\xf4me\nhostname Caf\xe9\n",
    );
    for (encoding, comment, value) in [
        (WINDOWS_1252, "Serveur de Jérôme, à côté de l’école", "Café"),
        (WINDOWS_1251, "Сервер для друзей, порт и пароль", "Привет"),
        (GBK, "服务器的名称和端口设置", "我的世界"),
        (SHIFT_JIS, "サーバーの名前とポートの設定です", "こんにちは"),
        (BIG5, "伺服器的名稱與連接埠設定", "歡迎"),
        (EUC_KR, "서버 이름과 포트 설정입니다", "안녕하세요"),
    ] {
        let text = |name: &str| {
            encoding.encode(&format!("; {comment}\r\n[a]\r\nname={name}\r\nport=1\r\n")).0.into_owned()
        };
        check(P::Ini, &text("x"), &[("a.name", json!(value))], &text(value));
    }
}

#[test]
fn a_file_that_is_mostly_utf8_gets_utf8() {
    check(
        P::File,
        b"// \xc3\xa9t\xc3\xa9 \xe9\nname x\n",
        &[("name", json!("name \u{65e5}"))],
        b"// \xc3\xa9t\xc3\xa9 \xe9\nname \xe6\x97\xa5\n",
    );
    check(
        P::Ini,
        b"\xef\xbb\xbfa=\xe9\nb=1\n",
        &[("b", json!("\u{e9}"))],
        b"\xef\xbb\xbfa=\xe9\nb=\xc3\xa9\n",
    );
}

#[test]
fn utf16_stays_utf16_with_its_mark_or_without() {
    for (mark, big_endian) in [(true, false), (false, false), (true, true), (false, true)] {
        let file = |text: &str| utf16(text, mark, big_endian);
        check(
            P::Ini,
            &file("[Settings]\r\nName=x\r\nPort=1\r\n"),
            &[("Settings.Name", json!("日本 \u{1f600}"))],
            &file("[Settings]\r\nName=日本 \u{1f600}\r\nPort=1\r\n"),
        );
        check(
            P::Json,
            &file("{\"a\": \"é\", \"b\": 1}"),
            &[("b", json!("2"))],
            &file("{\"a\": \"é\", \"b\": 2}"),
        );
        check(P::Yaml, &file("a: é\nb: 1\n"), &[("b", json!("2"))], &file("a: é\nb: 2\n"));
        check(
            P::Xml,
            &file("<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n<a><b>é</b><c>1</c></a>"),
            &[("a.c", json!("2"))],
            &file("<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n<a><b>é</b><c>2</c></a>"),
        );
    }
    // A lone surrogate and half a character at the end.
    check(
        P::Ini,
        b"\xff\xfea\0=\0\x00\xd8\r\0\n\0b\0=\x001\0\n\0\n",
        &[("b", json!("2"))],
        b"\xff\xfea\0=\0\x00\xd8\r\0\n\0b\0=\x002\0\n\0\n",
    );
}

#[test]
fn xml_is_read_and_written_as_it_declares() {
    let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<a><b x=\"1\">J\xe9r\xf4me</b></a>\n";
    check(
        P::Xml,
        latin,
        &[("a.b", json!("Zo\u{eb}"))],
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<a><b x=\"1\">Zo\xeb</b></a>\n",
    );
    check(
        P::Xml,
        latin,
        &[("a.b", json!("\u{65e5}\u{20ac}")), ("a.b", json!("[x='\u{65e5}']"))],
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<a><b x=\"&#26085;\">&#26085;&#8364;</b></a>\n",
    );
    check(
        P::Xml,
        b"<?xml version='1.0' encoding='windows-1251'?><a>\xcf</a>",
        &[("a", json!("\u{41f}\u{440}"))],
        b"<?xml version='1.0' encoding='windows-1251'?><a>\xcf\xf0</a>",
    );
}

#[test]
fn properties_that_are_no_utf8_get_escapes_as_java_writes_them() {
    check(
        P::Properties,
        b"motd=\xa7aHi\nlevel=\xe9\n",
        &[("motd", json!("\u{a7}b\u{65e5}"))],
        b"motd=\\u00a7b\\u65e5\nlevel=\xe9\n",
    );
    // It says so already.
    check(P::Properties, b"motd=\xa7aHi\n", &[("motd", json!("\u{a7}aHi"))], b"motd=\xa7aHi\n");
}

#[test]
fn what_the_encoding_lacks_leaves_the_file_as_it_is_and_is_said() {
    let error = edit(P::File, b"// J\xe9r\xf4me et Andr\xe9\nname x\n", &[("name", json!("name \u{65e5}"))])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "it is windows-1252 text, which can't hold \"日\". Save it as UTF-8 or choose another value"
    );
    // The name of an element can't be written as a reference.
    let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>";
    assert!(matches!(
        edit(P::Xml, latin, &[("a.\u{65e5}", json!("x"))]),
        Err(ConfigFileError::Unrepresentable { .. })
    ));
    // Nothing of the private characters gets into a file as a byte.
    assert!(edit(P::File, b"name x\n\xe9\n", &[("name", json!("\u{10f8e9}"))]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn all_other_bytes_survive(
        before in prop::collection::vec(any::<u8>().prop_filter("a line", |byte| *byte != b'\n'), 0..60),
        after in prop::collection::vec(any::<u8>(), 0..60),
        value in "[a-z]{0,8}",
    ) {
        let file = |line: &str| [b"#", &before[..], b"\nkey=", line.as_bytes(), b"\n#", &after[..]].concat();
        // What looks like UTF-16 has no line of that name, and another key may begin behind.
        prop_assume!(!after.contains(&b'\n') && !before.contains(&0) && !after.contains(&0));
        let change = [("key", json!(format!("key={value}")))];
        prop_assert_eq!(edit(P::File, &file("old"), &change).unwrap(), file(&value));
        prop_assert_eq!(edit(P::Ini, &file("old"), &[("key", json!(value))]).unwrap(), file(&value));
        prop_assert_eq!(edit(P::Properties, &file("old"), &[("key", json!(value))]).unwrap(), file(&value));
    }
}
