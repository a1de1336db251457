//! What nobody meant: published eggs and configuration files with pieces changed, cut out, repeated and mixed. Nothing panics,
//! all of it ends soon, and what is read at all survives the way out and in. `RAPTOR_TEST_MUTATIONS` is how many of each are
//! tried, `RAPTOR_TEST_SEED` where they begin. The same promises are targets for `cargo bolero test` (`fuzz_…`), where a fuzzer
//! decides what is changed.
#![cfg(feature = "configfiles")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use raptor_model::{
    configfiles::{self, FileMemory},
    templates::{
        ConfigEdit, ConfigParser, DoneRules,
        export::{to_own, to_ptdl_v2},
        import::import,
        placeholders::{self, Context},
        variables::Rules,
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

/// How long one input may take in a debug build on a machine that is busy. Most take less than a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pieces that have a meaning somewhere.
const WORDS: [&str; 40] = [
    "{{",
    "}}",
    "{{server.build.env.",
    "{{config.",
    "${",
    "$1",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"",
    "\\",
    "\\u0000",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "*",
    ".",
    "..",
    "/",
    "~1",
    "regex:",
    "regex:/(a+)+$/",
    "|",
    "in:",
    "\r\n",
    "\n",
    "\t",
    "\u{feff}",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "<![CDATA[",
    "<!ENTITY x \"y\">",
    "#",
];

/// How long a target is run where `BOLERO_RANDOM_TEST_TIME_MS` and `BOLERO_RANDOM_ITERATIONS` say nothing.
const BRIEF: Duration = Duration::from_secs(2);

/// What decides what is changed.
enum Dice<'b> {
    /// Numbers that are the same on every machine (splitmix64).
    Seed(u64),
    /// A fuzzer's bytes, and nothing but zeros when they are used up.
    Given(&'b [u8]),
}

impl Dice<'_> {
    fn roll(&mut self, below: usize) -> usize {
        let seed = match self {
            Self::Seed(seed) => seed,
            Self::Given(bytes) => {
                let (taken, rest) = bytes.split_at(bytes.len().min(if below > 256 { 2 } else { 1 }));
                *bytes = rest;
                return taken.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) % below.max(1);
            }
        };
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(below.max(1)).unwrap()).unwrap()
    }

    /// A piece of `text`, of up to `most` bytes.
    fn piece(&mut self, text: &[u8], most: usize) -> Vec<u8> {
        let from = self.roll(text.len());
        let to = text.len().min(from + self.roll(most));
        text[from..to].to_vec()
    }

    /// `text` with some pieces changed; `other` is where pieces come from as well.
    fn mutate(&mut self, text: &[u8], other: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for _ in 0..=self.roll(6) {
            let at = self.roll(text.len() + 1);
            match self.roll(7) {
                0 if at < text.len() => text[at] = u8::try_from(self.roll(256)).unwrap(),
                1 => drop(text.splice(at..text.len().min(at + 40), [])),
                2 => text.truncate(at),
                3 => {
                    let piece = self.piece(other, 200);
                    drop(text.splice(at..at, piece));
                }
                4 => {
                    let word = WORDS[self.roll(WORDS.len())].repeat(1 + self.roll(3) * self.roll(200));
                    drop(text.splice(at..at, word.into_bytes()));
                }
                5 => {
                    let piece = self.piece(&text, 60);
                    let times = 1 + self.roll(20);
                    drop(text.splice(at..at, piece.repeat(times)));
                }
                _ => {
                    let word = WORDS[self.roll(WORDS.len())];
                    drop(text.splice(at..at, word.bytes()));
                }
            }
        }
        text
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn eggs() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../raptor-core/tests/fixtures/eggs");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json" || end == "yaml"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Tries `promise` with one mutation after another of some seeds.
fn try_all(seeds: &[Vec<u8>], default: u64, promise: impl Fn(&mut Dice<'_>, &[u8])) {
    let first = setting("RAPTOR_TEST_SEED", 1);
    for number in first..first + setting("RAPTOR_TEST_MUTATIONS", default) {
        let mut dice = Dice::Seed(number);
        let (one, other) = (dice.roll(seeds.len()), dice.roll(seeds.len()));
        let text = dice.mutate(&seeds[one], &seeds[other]);
        let began = Instant::now();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| promise(&mut dice, &text)));
        if done.is_err() || began.elapsed() > PATIENCE {
            panic!("RAPTOR_TEST_SEED={number}, {:?}: {:?}", began.elapsed(), String::from_utf8_lossy(&text));
        }
    }
}

/// Lets a fuzzer find what breaks `promise`: a text of its own, or what it makes of the seeds.
macro_rules! fuzz {
    ($seeds:expr, $promise:path) => {
        let seeds = $seeds;
        bolero::check!().with_test_time(BRIEF).for_each(|bytes: &[u8]| {
            let mut dice = Dice::Given(bytes);
            let text = match dice.roll(8) {
                0 => bytes.to_vec(),
                _ => {
                    let (one, other) = (dice.roll(seeds.len()), dice.roll(seeds.len()));
                    dice.mutate(&seeds[one], &seeds[other])
                }
            };
            let began = Instant::now();
            $promise(&mut dice, &text);
            assert!(
                began.elapsed() < PATIENCE,
                "{:?}: {:?}",
                began.elapsed(),
                String::from_utf8_lossy(&text)
            );
        });
    };
}

#[test]
fn fuzz_eggs() {
    fuzz!(eggs(), egg_promise);
}

#[test]
fn fuzz_placeholders() {
    fuzz!(braces(), braces_promise);
}

#[test]
fn fuzz_rules() {
    fuzz!(rules(), rules_promise);
}

#[test]
fn fuzz_configuration_files() {
    fuzz!(configurations(), configuration_promise);
}

#[test]
fn whatever_an_egg_says_it_is_read_or_refused_and_survives_the_way_out_and_in() {
    try_all(&eggs(), 200, egg_promise);
}

fn egg_promise(dice: &mut Dice<'_>, text: &[u8]) {
    let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    // Most bytes changed in text make no JSON any more; what is changed in the tree gets further.
    let whole = import(text).map(|read| read.template);
    let Ok(template) = whole.or_else(|_| import(&in_the_tree(dice)).map(|read| read.template)) else {
        return;
    };
    let exported = to_ptdl_v2(&template, at).to_string();
    assert_eq!(import(exported.as_bytes()).unwrap().template, template, "as PTDL_v2");
    let own = to_own(&template).to_string();
    assert_eq!(import(own.as_bytes()).unwrap().template, template, "as Raptor's own");
    let context = Context { environment: BTreeMap::from([("A".into(), "b".into())]), ..Context::default() };
    let size = exported.len();
    assert!(context.startup(&template.startup).len() <= 2 * size);
    for file in context.files(&template) {
        let _ = configfiles::apply(file.parser, b"", &file.edits, &mut FileMemory::default());
    }
    let _ = DoneRules::new(&template.done, template.strip_ansi);
    for variable in &template.variables {
        let _ = variable.rules().check(&variable.default_value);
    }
}

/// An egg in whose tree something is replaced by something else.
fn in_the_tree(dice: &mut Dice<'_>) -> Vec<u8> {
    let mut eggs = eggs();
    eggs.retain(|egg| egg.trim_ascii_start().starts_with(b"{"));
    let mut egg: Value = serde_json::from_slice(&eggs[dice.roll(eggs.len())]).unwrap();
    for _ in 0..=dice.roll(4) {
        let mut place = &mut egg;
        for _ in 0..=dice.roll(4) {
            let count = match place {
                Value::Object(map) => map.len(),
                Value::Array(list) => list.len(),
                _ => 0,
            };
            if count == 0 {
                break;
            }
            let turn = dice.roll(count);
            place = match place {
                Value::Object(map) => map.values_mut().nth(turn).unwrap(),
                Value::Array(list) => &mut list[turn],
                other => other,
            };
        }
        let word = WORDS[dice.roll(WORDS.len())];
        *place = match dice.roll(9) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-7.5),
            3 => json!([word, 1, null]),
            4 => json!({ word: word }),
            5 => json!(format!("{{\"a.json\":{{\"parser\":\"{word}\",\"find\":{{\"{word}\":\"x\"}}}}}}")),
            6 => json!([]),
            7 => json!({}),
            _ => json!(word),
        };
    }
    egg.to_string().into_bytes()
}

fn braces() -> Vec<Vec<u8>> {
    let seeds = [
        &b"java -Xmx{{SERVER_MEMORY}}M -jar {{SERVER_JARFILE}} {{server.build.default.port}}"[..],
        b"./x {{ env.A }} ${B} $(id) `id` {{config.docker.interface}} {{server.build.env.C}} {{{{A}}}}",
    ];
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

#[test]
fn whatever_stands_between_braces_is_replaced_or_kept() {
    try_all(&braces(), 1_500, braces_promise);
}

fn braces_promise(_: &mut Dice<'_>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let value = "{{A}}$1\\";
    let context = Context { environment: BTreeMap::from([("A".into(), value.into())]), ..Context::default() };
    let _ = placeholders::unknown(&text, &BTreeSet::from(["A"]));
    // An image is given names, never more than was written.
    assert!(placeholders::for_image(&text).len() <= text.len() + 8 * text.matches("{{").count());
    assert!(context.startup(&text).len() <= text.len() * (1 + value.len()));
}

fn rules() -> Vec<Vec<u8>> {
    let seeds = [
        &b"required|string|regex:/^([\\w\\d._-]+)(\\.jar)$/|max:20"[..],
        b"nullable|integer|between:1,65535|in:1,2,3|digits_between:1,5",
        b"not_regex:#^(a|b)+$#i|ends_with:.a,.b|multiple_of:0|gt:1e3",
    ];
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

#[test]
fn whatever_a_rule_is_a_value_meets_it_or_not() {
    try_all(&rules(), 1_500, rules_promise);
}

fn rules_promise(dice: &mut Dice<'_>, text: &[u8]) {
    let rules = Rules::parse(&String::from_utf8_lossy(text));
    let value = String::from_utf8_lossy(&dice.piece(text, 30)).into_owned();
    for value in [value.as_str(), "", "1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"] {
        let _ = rules.check(value);
    }
    let _ = (rules.input(), rules.is_required(), rules.unknown().count());
}

fn configurations() -> Vec<Vec<u8>> {
    let seeds = [
        &b"# note\nserver-port=25565\nmotd = A \\u0041 b\n[section]\nkey: 1 ; x\n"[..],
        b"{ \"a\": { \"b\": [1, 2, { \"c\": \"d\" }] }, // note\n \"e\": null }\n",
        b"a: &x\n  b: [1, 2, {c: d}]\n  'e': |\n    text\nf: *x\n# note\n---\nx: 1\n",
        b"<?xml version=\"1.0\"?>\n<!-- note --><a b=\"c\"><d>e</d><d/><![CDATA[x]]></a>\n",
        b"; J\xe9r\xf4me\r\n[a]\r\nport: 1 ; \xa7\r\n\xd6\xd0\xce\xc4 = 2\r\n[a]\r\nport=3\r\n",
        b"\xff\xfe[\0a\0]\0\n\0b\0=\x001\0\n\0",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe9'><b>\xa7</b></a>",
        b"[a]\nb = { c = 1, d = [1, 2] } # note\n[[e]]\nf = '''x'''\n\"g.h\" = 1979-05-27\n",
    ];
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

#[test]
fn whatever_is_in_a_configuration_file_it_is_edited_or_refused() {
    try_all(&configurations(), 600, configuration_promise);
}

fn configuration_promise(dice: &mut Dice<'_>, text: &[u8]) {
    let keys = [
        "a.b",
        "a.b[1]",
        "a.*.c",
        "*",
        "e",
        "server-port",
        "[section].key",
        "a.@b",
        "g.h.i",
        "a.b.99999999",
        "",
        ".",
        "[",
        "a[",
        "a.b[-1]",
    ];
    let edit = |dice: &mut Dice<'_>| ConfigEdit {
        key: format!("{}{}", keys[dice.roll(keys.len())], ["", WORDS[dice.roll(WORDS.len())]][dice.roll(2)]),
        if_value: [None, Some("regex:^(.*)$".to_owned()), Some("1".to_owned())][dice.roll(3)].clone(),
        value: [json!("x\ny"), json!(5), json!(null), json!(WORDS[dice.roll(WORDS.len())])][dice.roll(4)]
            .clone(),
    };
    let edits = [edit(dice), edit(dice)];
    use ConfigParser as P;
    for parser in [P::File, P::Properties, P::Ini, P::Json, P::Yaml, P::Xml, P::Toml] {
        let mut memory = FileMemory::default();
        if let Ok(edited) = configfiles::apply(parser, text, &edits, &mut memory) {
            assert!(edited.len() <= 2 * configfiles::MAX_SIZE);
            // What was written can be read again.
            let again = configfiles::apply(parser, &edited, &[], &mut memory);
            assert_eq!(again.as_ref(), Ok(&edited), "{parser:?} with {edits:?}");
        }
    }
}
