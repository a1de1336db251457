//! Published eggs, through every way in and out. Those beside this file always; a larger collection where `RAPTOR_TEST_EGGS`
//! names its folder.
#![cfg(feature = "configfiles")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use raptor_model::{
    configfiles::{self, FileMemory},
    templates::{
        StopRule, Template,
        export::{to_own, to_ptdl_v2},
        import::{Imported, import},
        looks_secret,
        placeholders::Context,
    },
};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path
            .extension()
            .is_some_and(|end| ["json", "yaml", "yml"].iter().any(|known| end == *known))
        {
            found.push(path);
        }
    }
}

fn eggs() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../raptor-core/tests/fixtures/eggs"), &mut found);
    match std::env::var_os("RAPTOR_TEST_EGGS") {
        Some(folder) => files(Path::new(&folder), &mut found),
        None => println!("SKIP: the larger collection, RAPTOR_TEST_EGGS is not set"),
    }
    found.sort();
    found.into_iter().map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn fixture(name: &str) -> Imported {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../raptor-core/tests/fixtures/eggs").join(name);
    import(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_egg_is_read_and_nothing_is_lost_on_the_way_out_and_in() {
    let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let eggs = eggs();
    for (path, bytes) in &eggs {
        let read = import(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        let exported = to_ptdl_v2(&read.template, at);
        acceptable(path, &exported);
        let again = import(exported.to_string().as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(again.template, read.template, "{path} as PTDL_v2");
        let own = import(to_own(&read.template).to_string().as_bytes()).unwrap();
        assert_eq!((own.template, own.format.as_str()), (read.template.clone(), "RAPTOR_v1"), "{path}");
        same_words(path, bytes, &exported);
    }
    println!("{} eggs", eggs.len());
}

/// What the importer of a Pterodactyl panel refuses.
fn acceptable(path: &str, egg: &Value) {
    assert_eq!(egg["meta"]["version"], "PTDL_v2", "{path}");
    for field in ["name", "author", "startup"] {
        assert!(egg[field].is_string(), "{path}: {field}");
    }
    assert!(egg["author"].as_str().unwrap().contains('@'), "{path}: author");
    for field in ["files", "startup", "logs"] {
        let text = egg["config"][field].as_str().unwrap_or_else(|| panic!("{path}: config.{field}"));
        assert!(serde_json::from_str::<Value>(text).is_ok(), "{path}: config.{field}");
    }
    assert!(!egg["config"]["stop"].as_str().unwrap().is_empty(), "{path}: config.stop");
    for variable in egg["variables"].as_array().unwrap() {
        let keys: Vec<_> = variable.as_object().unwrap().keys().map(String::as_str).collect();
        let known = [
            "name",
            "description",
            "env_variable",
            "default_value",
            "user_viewable",
            "user_editable",
            "rules",
            "field_type",
        ];
        assert_eq!(keys, known, "{path}: the importer writes every key into a column");
        assert!(variable["rules"].is_string() && variable["default_value"].is_string(), "{path}: {variable}");
        assert!(variable["user_viewable"].is_boolean() && variable["user_editable"].is_boolean(), "{path}");
        assert!(
            !variable["name"].as_str().unwrap().is_empty() && !variable["rules"].as_str().unwrap().is_empty(),
            "{path}"
        );
    }
}

/// What the egg said is exported in its own words.
fn same_words(path: &str, bytes: &[u8], exported: &Value) {
    let Ok(source) = serde_json::from_slice::<Value>(bytes) else { return };
    for pointer in ["/name", "/author", "/startup", "/config/stop", "/scripts/installation/script"] {
        if let Some(text) = source.pointer(pointer).and_then(Value::as_str) {
            let said = exported.pointer(pointer).and_then(Value::as_str).unwrap();
            assert!(
                said == text || said == text.trim() || text.trim().is_empty(),
                "{path}: {pointer}: {text:?} became {said:?}"
            );
        }
    }
    let embedded = |egg: &Value, name: &str| match &egg["config"][name] {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    let (before, after) = (embedded(&source, "files"), embedded(exported, "files"));
    if let Some(files) = before.as_object().filter(|files| !files.is_empty()) {
        for (name, file) in files {
            assert_eq!(after[name]["find"], pterodactyls(&file["find"]), "{path}: {name}");
        }
    }
}

/// The same with Pterodactyl's placeholders instead of Pelican's.
fn pterodactyls(find: &Value) -> Value {
    let text = [
        (r"\{\{server\.allocations\.default\.(ip|port)\}\}", "{{server.build.default.$1}}"),
        (r"\{\{server\.(?:build\.)?environment\.(\w+)\}\}", "{{server.build.env.$1}}"),
        (r"\{\{server\.build\.memory_limit\}\}", "{{server.build.memory}}"),
    ]
    .iter()
    .fold(find.to_string(), |text, (from, to)| {
        regex::Regex::new(from).unwrap().replace_all(&text, *to).into_owned()
    });
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_hard_ones_are_read_as_they_are_meant() {
    let torch = fixture("pelican-eggs-voice--teamspeak__egg-teamspeak3-server.yaml");
    assert_eq!(torch.format, "PLCN_v3");
    assert_eq!(torch.template.startup_commands[0].name, "Default");
    assert_eq!(torch.template.startup, torch.template.startup_commands[0].command);
    assert_eq!(torch.template.variables[0].default_value, "30033");
    assert!(torch.template.icon.is_some() && torch.template.tags == ["voice"]);
    let feather = fixture("pelican-eggs-minecraft--java__feather__egg-feather.json");
    assert!(!feather.template.images.is_empty());
    let ragemp = fixture("Ptero-Eggs-game-eggs--gta__ragemp__egg-rage--m-p.json");
    assert_eq!(ragemp.template.stop, StopRule::Signal { signal: "SIGINT".into() });
    assert!(ragemp.warnings.iter().any(|warning| warning.path == "config.stop"));
    let conan =
        fixture("pelican-eggs-games-steamcmd--conan_exiles__pterodactyl-egg-conan-exiles-legacy.json");
    assert!(conan.warnings.iter().any(|warning| warning.message.contains("has no rules")));
    let none = fixture("parkervcp-eggs-2020-06--stock-eggs__terraria__egg-terraria-server--t-shock.json");
    assert!(none.warnings.iter().any(|warning| warning.path == "startup"));
}

#[test]
fn secrets_are_known_by_their_names() {
    let secrets: Vec<String> = eggs()
        .iter()
        .flat_map(|(_, bytes)| import(bytes).unwrap().template.variables)
        .filter(|variable| variable.secret)
        .map(|variable| variable.env)
        .collect();
    assert!(
        secrets.iter().any(|env| env.contains("PASS")) && secrets.iter().any(|env| env.contains("TOKEN"))
    );
    let looks = |env: &str, name: &str| looks_secret(env, "required|string", name);
    for (env, name) in [
        ("SRCDS_BETAPASS", "Beta Password"),
        ("FAH_PASSKEY", "Passkey"),
        ("AUTH", "Authentication Key"),
        ("ADMINPWD", "Admin"),
        ("STREAM_KEY", "Stream"),
    ] {
        assert!(looks(env, name), "{env}");
    }
    for (env, name) in [
        ("AUTH", "Require authentication"),
        ("XBOX_AUTH", "Xbox Auth"),
        ("BYPASS", "Bypass"),
        ("ENABLE_COMPASS", "Compass"),
        ("MAP_KEY", "Map"),
        ("AUTH_PORT", "Auth Port"),
        ("TSSERVER_LICENSE_ACCEPTED", "License"),
        ("ACCEPT_LICENSE", "License"),
    ] {
        assert!(!looks(env, name), "{env}");
    }
}

/// The edits of every egg, on empty files and twice.
#[test]
fn the_edits_of_every_egg_can_be_made() {
    for (path, bytes) in eggs() {
        let template: Template = import(&bytes).unwrap().template;
        let environment =
            template.variables.iter().map(|variable| (variable.env.clone(), "7".to_owned())).collect();
        let context =
            Context { environment, ip: "192.0.2.1".into(), port: "25565".into(), ..Context::default() };
        for file in context.files(&template) {
            let mut memory = FileMemory::default();
            let edited = configfiles::apply(file.parser, b"", &file.edits, &mut memory)
                .unwrap_or_else(|error| panic!("{path}: {}: {error}", file.path));
            let again = configfiles::apply(file.parser, &edited, &file.edits, &mut memory).unwrap();
            assert_eq!(again, edited, "{path}: {}", file.path);
        }
    }
}
