//! Guarantees of all formats.

mod encodings;
mod memory;

use super::*;
use crate::templates::ConfigParser as P;
use proptest::prelude::*;
use serde_json::json;

/// Edits a file without memory.
fn apply(parser: P, text: &str, edits: &[ConfigEdit]) -> Result<String, ConfigFileError> {
    let edited = super::apply(parser, text.as_bytes(), edits, &mut FileMemory::default())?;
    Ok(String::from_utf8(edited).unwrap())
}

fn edits(pairs: &[(&str, Value)]) -> Vec<ConfigEdit> {
    let edit = |(key, value): &(&str, Value)| match value {
        Value::Object(conditions) => conditions
            .iter()
            .map(|(present, new)| ConfigEdit {
                key: (*key).into(),
                if_value: Some(present.clone()),
                value: new.clone(),
            })
            .collect(),
        value => vec![ConfigEdit { key: (*key).into(), if_value: None, value: value.clone() }],
    };
    pairs.iter().flat_map(edit).collect()
}

/// Applies the edits twice: the second time must change nothing.
#[track_caller]
fn check(parser: P, text: &str, pairs: &[(&str, Value)], expected: &str) {
    let edits = edits(pairs);
    let edited = apply(parser, text, &edits).unwrap();
    assert_eq!(edited, expected);
    assert_eq!(apply(parser, &edited, &edits).unwrap(), edited, "a second time changes nothing");
}

#[test]
fn lines_that_begin_with_the_key_are_replaced_and_their_ends_kept() {
    check(
        P::File,
        "port=1\r\n# port=2\r\nport_query=3\r\nname=x",
        &[("port", json!("port=25565")), ("port_query", json!("port_query=27015")), ("gone", json!("x"))],
        "port=25565\r\n# port=2\r\nport_query=27015\r\nname=x",
    );
    check(P::File, "//hostname x\n", &[("//hostname", json!("hostname y"))], "hostname y\n");
    check(P::File, "a\n", &[("", json!("never"))], "a\n");
}

#[test]
fn properties_keep_comments_and_order_and_add_what_is_missing() {
    check(
        P::Properties,
        "#Minecraft\nserver-port = 1\nmotd=A\\\n   long one\nlevel : world\n",
        &[
            ("server-port", json!("25565")),
            ("query", json!(true)),
            ("motd", json!("§6C:\\x")),
            ("level", json!({ "world": "new", "other": "no" })),
        ],
        "#Minecraft\nserver-port=25565\nmotd=\\u00a76C:\\\\x\nlevel=new\nquery=true\n",
    );
}

#[test]
fn ini_keeps_sections_comments_and_spaces() {
    check(
        P::Ini,
        "; top\n[a]\nx = 1\n\n[network]\n; the port\nserver_port = 3979 ; default\nname=Old\n\n[z]\ny = 2\n",
        &[
            ("network.server_port", json!("4711")),
            ("network.name", json!("New")),
            ("network.extra", json!(true)),
            ("[/Script/Game.Session].Name", json!("x")),
        ],
        "; top\n[a]\nx = 1\n\n[network]\n; the port\nserver_port = 4711 ; default\nname=New\nextra = true\n\n[z]\ny = 2\n\n[/Script/Game.Session]\nName = x\n",
    );
    check(
        P::Ini,
        "",
        &[("network.server_port", json!("4711")), ("network.lan_internet", json!(0))],
        "[network]\nserver_port = 4711\nlan_internet = 0\n",
    );
    check(P::Ini, "port=2\r\n[a]\r\nport=3\r\n", &[("port", json!("1"))], "port=1\r\n[a]\r\nport=3\r\n");
    check(P::Ini, "a=1\n", &[("s.a", json!({ "2": "3" }))], "a=1\n");
}

#[test]
fn json_keeps_order_comments_and_types() {
    check(
        P::Json,
        "{\n  // the port\n  \"b\": {\"port\": 1, \"on\": false, \"id\": \"7\"},\n  \"a\": 1.50\n}\n",
        &[("b.port", json!("25565")), ("b.on", json!("true")), ("b.id", json!("8")), ("c[0].x", json!("y"))],
        "{\n  // the port\n  \"b\": {\"port\": 25565, \"on\": true, \"id\": \"8\"},\n  \"a\": 1.50,\n  \"c\": [\n    {\n      \"x\": \"y\"\n    }\n  ]\n}\n",
    );
    check(
        P::Json,
        "",
        &[("a.b", json!("1")), ("c", json!(true))],
        "{\n    \"a\": {\n        \"b\": 1\n    },\n    \"c\": true\n}\n",
    );
    assert_eq!(apply(P::Json, "{", &edits(&[("a", json!(1))])), Err(ConfigFileError::Malformed("JSON")));
    assert_eq!(apply(P::Json, "{\"a\":[]}", &edits(&[("a[3].x", json!(1))])).unwrap(), "{\"a\":[]}");
}

#[test]
fn yaml_keeps_comments_order_quotes_and_anchors() {
    check(
        P::Yaml,
        "# BungeeCord\nlisteners:\n- host: '0.0.0.0:25577' # here\n  motd: \"&1Old\"\nservers:\n  lobby:\n    address: localhost:25565\n    note: |\n      127.0.0.1\n  far:\n    address: example.com:1\nonline: no\nempty:   # nothing yet\n",
        &[
            ("listeners[0].host", json!("0.0.0.0:25565")),
            ("listeners[0].motd", json!("It's #1: \"new\"")),
            ("servers.*.address", json!({ r"regex:^(127\.0\.0\.1|localhost)(:\d{1,5})?$": "172.18.0.1$2" })),
            ("empty", json!("7")),
            ("bind.port", json!("4711")),
            ("online", json!("yes")),
        ],
        "# BungeeCord\nlisteners:\n- host: '0.0.0.0:25565' # here\n  motd: \"It's #1: \\\"new\\\"\"\nservers:\n  lobby:\n    address: \"172.18.0.1:25565\"\n    note: |\n      127.0.0.1\n  far:\n    address: example.com:1\nonline: \"yes\"\nempty: 7   # nothing yet\nbind:\n  port: 4711\n",
    );
    check(
        P::Yaml,
        "a: {x: 1, y: []}\nb:\n  - 1\n  # last\nc: &c old\n# end\n",
        &[
            ("a.x", json!("2")),
            ("a.z", json!("q")),
            ("a.y[0]", json!("new")),
            ("b[1]", json!("2")),
            ("c", json!("new")),
        ],
        "a: {x: 2, y: [new], z: q}\nb:\n  - 1\n  - 2\n  # last\nc: &c new\n# end\n",
    );
    check(
        P::Yaml,
        "",
        &[("server.port", json!("8080")), ("server.flag", json!(true))],
        "server:\n  port: 8080\n  flag: true\n",
    );
    check(P::Yaml, "# only this", &[("a", json!("b"))], "# only this\na: b\n");
    check(
        P::Yaml,
        "a:\n  b: 1\nc: |\n  text\n",
        &[("d", json!("1")), ("c", json!("x"))],
        "a:\n  b: 1\nc: x\nd: 1\n",
    );
}

#[test]
fn an_edit_that_would_change_something_else_is_not_made() {
    let shared = "a: &x\n  port: 1\nb: *x\n";
    assert_eq!(apply(P::Yaml, shared, &edits(&[("b.port", json!("2"))])), Err(ConfigFileError::Entangled));
}

#[test]
fn toml_keeps_comments_and_kinds() {
    check(
        P::Toml,
        "# top\nbind = \"0.0.0.0:1\" # here\n[servers]\nlobby = \"127.0.0.1:30066\"\ntry = [\"lobby\"]\n\n[advanced]\nrate = 3 # ms\nraw = false\n",
        &[
            ("bind", json!("0.0.0.0:25565")),
            ("advanced.rate", json!("5")),
            ("advanced.raw", json!("true")),
            ("advanced.new", json!("x")),
            ("query.port", json!("25577")),
            ("servers.try[0]", json!("hub")),
        ],
        "# top\nbind = \"0.0.0.0:25565\" # here\n[servers]\nlobby = \"127.0.0.1:30066\"\ntry = [\"hub\"]\n\n[advanced]\nrate = 5 # ms\nraw = true\nnew = \"x\"\n\n[query]\nport = 25577\n",
    );
}

#[test]
fn xml_sets_texts_and_attributes_and_adds_elements() {
    check(
        P::Xml,
        "<?xml version=\"1.0\"?>\n<!-- settings -->\n<ServerSettings>\n\t<property name=\"ServerPort\"  value=\"26900\"/> <!-- port -->\n\t<property name='ServerName' value='Old'/>\n\t<Note>a &amp; b</Note>\n\t<Empty/>\n</ServerSettings>\n",
        &[
            ("ServerSettings.property[@name='ServerPort']", json!("[value='4711']")),
            ("ServerSettings.property[@name='ServerName']", json!("[value='A & \"B\"']")),
            ("ServerSettings.property[@name='New']", json!("[value='1']")),
            ("ServerSettings.Note", json!("x < y")),
            ("ServerSettings.Empty", json!("full")),
            ("ServerSettings.Deep.Er", json!(7)),
            ("Other.Root", json!("never")),
        ],
        "<?xml version=\"1.0\"?>\n<!-- settings -->\n<ServerSettings>\n\t<property name=\"ServerPort\"  value=\"4711\"/> <!-- port -->\n\t<property name='ServerName' value='A &amp; &quot;B&quot;'/>\n\t<Note>x &lt; y</Note>\n\t<Empty>full</Empty>\n\t<property name=\"New\" value=\"1\"/>\n\t<Deep>\n\t\t<Er>7</Er>\n\t</Deep>\n</ServerSettings>\n",
    );
    check(
        P::Xml,
        "",
        &[("Settings.Port", json!("1"))],
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Settings>\n  <Port>1</Port>\n</Settings>\n",
    );
    let bomb = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
    assert_eq!(apply(P::Xml, bomb, &edits(&[("a", json!("1"))])), Err(ConfigFileError::Malformed("XML")));
}

#[test]
fn a_number_stays_one_though_it_is_typed_with_zeros_or_a_sign() {
    for typed in ["0000000001", "+1", "1"] {
        check(P::Json, "{\"SaveSlot\": 7}", &[("SaveSlot", json!(typed))], "{\"SaveSlot\": 1}");
        check(P::Yaml, "slot: 7\n", &[("slot", json!(typed))], "slot: 1\n");
        check(P::Toml, "slot = 7\n", &[("slot", json!(typed))], "slot = 1\n");
    }
    // Strings stay strings.
    check(P::Json, "{\"pin\": \"7\"}", &[("pin", json!("00123"))], "{\"pin\": \"00123\"}");
}

#[test]
fn a_key_with_dots_is_found_as_it_is_written() {
    check(P::Json, "{\"a.b\": 1}", &[("a.b", json!("2"))], "{\"a.b\": 2}");
    check(P::Yaml, "a.b: 1\n", &[("a.b", json!("2")), ("[c.d]", json!("3"))], "a.b: 2\nc.d: 3\n");
}

#[test]
fn a_mark_of_byte_order_stays() {
    check(P::Ini, "\u{feff}[a]\nb=1\n", &[("a.b", json!("2"))], "\u{feff}[a]\nb=2\n");
}

#[test]
fn bombs_are_refused_at_once() {
    let change = edits(&[("a", json!("1"))]);
    let begun = std::time::Instant::now();
    for (parser, text) in [
        (P::Json, "[".repeat(1_000_000)),
        (P::Yaml, "[".repeat(1_000_000)),
        (P::Yaml, "- ".repeat(1_000_000)),
        (P::Yaml, format!("a: &a [{}]\n{}", "x,".repeat(1_000), "- &b [*a,*a,*a,*a]\n".repeat(10))),
        (P::Toml, format!("a = {}", "[".repeat(100_000))),
        (P::Xml, "<a>".repeat(1_000_000)),
    ] {
        assert!(apply(parser, &text, &change).is_err(), "{parser:?}");
    }
    assert_eq!(apply(P::File, &"x".repeat(MAX_SIZE + 1), &change), Err(ConfigFileError::TooLarge));
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}

const TREES: [P; 3] = [P::Json, P::Yaml, P::Toml];

/// A tree that all three formats can represent, as text of each.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        // Neither numbers nor booleans: eggs write those as strings, and they are converted.
        "([ -~]{0,12}[g-zG-Z !]|)".prop_map(Value::from),
        "(yes|no|null|0x1|1:30|2020-01-01|~|- a|a: b|#x|'q|\"|é|\u{1f600})".prop_map(Value::from),
    ];
    let key = "[a-e]";
    let inner = leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-e]", inner, 1..5).prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn written(parser: P, value: &Value) -> String {
    let Value::Object(map) = value else { return String::new() };
    // Created by the editors from an empty file, in each format's own way.
    let edits: Vec<_> = map
        .iter()
        .map(|(key, value)| ConfigEdit { key: format!("[{key}]"), if_value: None, value: value.clone() })
        .collect();
    apply(parser, "", &edits).unwrap()
}

fn read(parser: P, text: &str) -> Value {
    match parser {
        P::Json => serde_json::from_str(text).unwrap(),
        P::Yaml => crate::yaml::parse(text).unwrap().value().unwrap().0,
        _ => toml_value(text),
    }
}

fn toml_value(text: &str) -> Value {
    fn value(item: &toml_edit::Value) -> Value {
        match item {
            toml_edit::Value::String(text) => json!(text.value()),
            toml_edit::Value::Integer(number) => json!(number.value()),
            toml_edit::Value::Boolean(flag) => json!(flag.value()),
            toml_edit::Value::Array(items) => items.iter().map(value).collect(),
            toml_edit::Value::InlineTable(table) => table
                .iter()
                .map(|(key, item)| (key.to_owned(), value(item)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => json!(other.to_string()),
        }
    }
    let document: toml_edit::DocumentMut = text.parse().unwrap();
    value(&toml_edit::Value::InlineTable(document.as_table().clone().into_inline_table()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_named_survives_in_trees(tree in tree(), key in "[a-e](\\.[a-e]|\\[[01]\\]){0,2}", new in "([ -~]{0,10}|[0-9]{1,5}|true)") {
        for parser in TREES {
            let text = written(parser, &tree);
            prop_assert_eq!(&read(parser, &text), &tree, "{:?}: {}", parser, text);
            let change = [ConfigEdit { key: key.clone(), if_value: None, value: Value::from(new.clone()) }];
            let Ok(edited) = apply(parser, &text, &change) else { continue };
            let expected = super::tree::edit(&tree, &change).unwrap().0;
            prop_assert_eq!(read(parser, &edited), expected, "{:?}: {}", parser, edited);
            prop_assert_eq!(apply(parser, &edited, &change).unwrap(), edited);
        }
    }

    #[test]
    fn comments_and_other_lines_survive(
        lines in prop::collection::vec("(# [a-z ]{0,8}|[a-d] = [a-z]{0,5}|\\[[a-c]\\]|; x|)", 0..12),
        key in "[a-c]\\.[e-h]",
        new in "[!-:<-~][ -~]{0,8}",
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let change = [ConfigEdit { key, if_value: None, value: Value::from(new) }];
        let edited = apply(P::Ini, &text, &change).unwrap();
        let mut rest = edited.lines();
        for line in text.lines() {
            prop_assert!(rest.any(|found| found == line), "{line:?} is gone from {edited:?}");
        }
        prop_assert_eq!(apply(P::Ini, &edited, &change).unwrap(), edited);
    }

    #[test]
    fn no_text_and_no_edit_makes_an_editor_panic(
        text in "([a-c:=\\[\\]{}<>/\"'#&*!|,.\\-\\\\ \r\n\t\u{e9}0-1]{0,60}|(?s).{0,60})",
        keys in prop::collection::vec(("[a-c.*\\[\\]@'=0-2~/ ]{0,12}", "(?s).{0,12}", prop::option::of("(regex:)?[a-z.*(^$|]{0,6}")), 0..4),
    ) {
        // A short text with zeros is taken for UTF-16, whose bytes aren't UTF-8 afterwards.
        let without_nul = |text: String| text.replace('\0', " ");
        let text = without_nul(text);
        let change: Vec<_> = keys.into_iter().map(|(key, value, if_value)| ConfigEdit { key, if_value, value: Value::from(without_nul(value)) }).collect();
        for parser in [P::File, P::Properties, P::Ini, P::Json, P::Yaml, P::Xml, P::Toml] {
            let Ok(edited) = apply(parser, &text, &change) else { continue };
            if !matches!(parser, P::File) && change.iter().all(|edit| edit.if_value.is_none()) {
                let again = apply(parser, &edited, &change);
                prop_assert_eq!(again.as_ref(), Ok(&edited), "{:?} of {:?}", parser, text);
            }
        }
    }

    #[test]
    fn properties_read_back_what_they_write(key in "[a-z .:=#!é]{1,8}", value in "[^\\u{10f000}-\\u{10f8ff}]{0,20}", other in "[a-z]{1,5}=[a-z]{0,5}") {
        let change = [ConfigEdit { key: key.clone(), if_value: None, value: Value::from(value) }];
        let text = format!("# first\n{other}\n");
        let edited = apply(P::Properties, &text, &change).unwrap();
        prop_assert!(edited.contains("# first\n"));
        prop_assert_eq!(apply(P::Properties, &edited, &change).unwrap(), edited);
    }
}
