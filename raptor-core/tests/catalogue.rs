//! The catalogue: the guarantees that its README gives about the data, and Raptor's own templates.
#![expect(clippy::unwrap_used, reason = "tests")]

use raptor_core::templates::{
    Template,
    export::{to_own, to_ptdl_v2},
    import::import,
    placeholders::Context,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue")
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The relative luminance of a colour, as defined by WCAG 2.2.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.0722f64.mul_add(channel(5), 0.2126f64.mul_add(channel(1), 0.7152 * channel(3)))
}

#[test]
fn each_entry_is_one_of_its_kind_and_in_its_place() {
    let catalogue = read("catalogue.json");
    let categories: Vec<&str> = list(&catalogue["categories"]).iter().map(|one| text(one, "id")).collect();
    let entries = list(&catalogue["entries"]);
    let places: Vec<_> = entries
        .iter()
        .map(|entry| {
            let category = text(entry, "category");
            (categories.iter().position(|known| *known == category).unwrap(), text(entry, "id"))
        })
        .collect();
    assert!(places.is_sorted(), "by category, then by id");
    for key in ["id", "name", "description"] {
        let values: BTreeSet<_> = entries.iter().map(|entry| text(entry, key)).collect();
        assert_eq!(values.len(), entries.len(), "{key} is used twice");
    }
    for entry in entries {
        let id = text(entry, "id");
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(!id.is_empty() && id.chars().all(slug), "{id}");
        let length = text(entry, "description").chars().count();
        assert!((40..=220).contains(&length), "{id}: its description has {length} characters");
        let Some(of) = entry.get("variant_of").map(|of| of.as_str().unwrap()) else { continue };
        let main = entries.iter().find(|entry| text(entry, "id") == of).unwrap();
        assert!(main.get("variant_of").is_none(), "{id} is a variant of {of}, which is one itself");
        assert_eq!(text(main, "category"), text(entry, "category"), "{id} is a variant of {of}");
    }
}

#[test]
fn what_a_newcomer_looks_for_is_named_first_and_no_variant_is() {
    let catalogue = read("catalogue.json");
    let popular: Vec<&str> = list(&catalogue["popular"]).iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(popular.iter().collect::<BTreeSet<_>>().len(), popular.len(), "one is named twice");
    let entries = list(&catalogue["entries"]);
    let mut categories = BTreeSet::new();
    for id in &popular {
        let entry = entries.iter().find(|entry| text(entry, "id") == *id).unwrap();
        assert!(entry.get("variant_of").is_none(), "{id} is a variant");
        categories.insert(text(entry, "category"));
    }
    // The first dozen is visible without scrolling.
    assert!(popular[..12].iter().filter(|id| id.starts_with("minecraft")).count() <= 1);
    assert!(categories.len() >= 10, "from every corner: {categories:?}");
    for entry in entries.iter().filter(|entry| entry.get("template").is_some()) {
        assert!(popular.contains(&text(entry, "id")), "{} comes with Raptor", entry["id"]);
    }
}

#[test]
fn each_entry_is_seen_on_light_and_dark() {
    let (catalogue, icons) = (read("catalogue.json"), read("icons.json"));
    let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
    // The dark theme's surface, oklch(0.21 0.011 220).
    let dark = 0.21f64.powi(3);
    for entry in list(&catalogue["entries"]) {
        let (id, colour) = (text(entry, "id"), luminance(text(entry, "colour")));
        assert!(contrast(1.0, colour) >= 4.5, "{id}: the white drawing on its colour");
        assert!(contrast(colour, dark) >= 3.0, "{id}: its colour on the dark theme");
        assert!(icons.get(text(entry, "icon")).is_some(), "{id}: {} is no icon", text(entry, "icon"));
    }
    for category in list(&catalogue["categories"]) {
        assert!(icons.get(text(category, "icon")).is_some(), "{category}");
    }
}

#[test]
fn each_egg_is_named_with_its_hash_and_licence_and_each_figure_with_its_source() {
    let catalogue = read("catalogue.json");
    let collections: BTreeMap<_, _> =
        list(&catalogue["collections"]).iter().map(|one| (text(one, "repository"), one)).collect();
    let eggs: Vec<_> = list(&catalogue["entries"]).iter().filter(|one| one.get("source").is_some()).collect();
    assert!(eggs.len() >= 250, "{} eggs", eggs.len());
    let mut hashes = BTreeSet::new();
    for entry in list(&catalogue["entries"]) {
        let (id, source) = (text(entry, "id"), &entry["source"]);
        if source.is_object() {
            let collection = collections[text(source, "repository")];
            assert_eq!(
                (&source["branch"], &source["licence"]),
                (&collection["branch"], &collection["licence"])
            );
            let hash = text(source, "sha256");
            assert!(hash.len() == 64 && hash.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{id}");
            assert!(hashes.insert(hash), "{id}: the file is there already");
        }
        let ports = entry["ports"].as_array().into_iter().flatten();
        for figure in ports.chain([&entry["memory_mib"], &entry["disk_mib"]]).filter(|one| !one.is_null()) {
            let stated = text(figure, "stated_in");
            assert!(stated.contains(':') || stated.starts_with("templates/"), "{id}: {figure}");
        }
    }
}

#[test]
fn raptors_own_templates_are_read_without_a_complaint_and_lose_nothing() {
    let catalogue = read("catalogue.json");
    let named: BTreeSet<_> = list(&catalogue["entries"])
        .iter()
        .map(|entry| text(entry, "template"))
        .filter(|it| !it.is_empty())
        .collect();
    let there: BTreeSet<_> = std::fs::read_dir(folder().join("templates"))
        .unwrap()
        .map(|file| format!("templates/{}", file.unwrap().file_name().display()))
        .collect();
    assert_eq!(named.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), there);
    assert!(named.len() >= 6);
    let mut uuids = BTreeSet::new();
    for name in named {
        let read = import(&std::fs::read(folder().join(name)).unwrap()).unwrap();
        assert_eq!(read.format, "RAPTOR_v1", "{name}");
        // `docker-image.json` has no image of its own: each container names one.
        let expected: &[&str] = if name.ends_with("/docker-image.json") { &["images"] } else { &[] };
        let warned: Vec<_> = read.warnings.iter().map(|warning| warning.path.as_str()).collect();
        assert_eq!(warned, expected, "{name}: {:?}", read.warnings);
        for variable in &read.template.variables {
            assert_eq!(variable.rules().check(&variable.default_value), Ok(()), "{name}: {}", variable.env);
        }
        let at = chrono::DateTime::UNIX_EPOCH;
        for document in [to_own(&read.template), to_ptdl_v2(&read.template, at)] {
            assert_eq!(import(document.to_string().as_bytes()).unwrap().template, read.template, "{name}");
        }
        assert!(uuids.insert(read.template.uuid.unwrap()), "{name}: another template has its uuid");
    }
}

#[test]
fn a_file_to_be_uploaded_is_named_by_variables_that_the_template_has() {
    let catalogue = read("catalogue.json");
    let asking: Vec<_> =
        list(&catalogue["entries"]).iter().filter(|entry| entry.get("upload").is_some()).collect();
    assert!(asking.iter().any(|entry| entry["id"] == "java-jar"));
    for entry in asking {
        let Some(name) = entry["template"].as_str() else { continue };
        let template = import(&std::fs::read(folder().join(name)).unwrap()).unwrap().template;
        for env in ["variable", "unless"].iter().filter_map(|key| entry["upload"][key].as_str()) {
            assert!(template.variables.iter().any(|variable| variable.env == env), "{name}: {env}");
        }
    }
}

/// The default values of a template for a container on this port.
fn context(template: &Template, port: u16) -> Context {
    let mut environment: BTreeMap<String, String> = template
        .variables
        .iter()
        .map(|variable| (variable.env.clone(), variable.default_value.clone()))
        .collect();
    environment.insert("SERVER_PORT".into(), port.to_string());
    let (ip, port) = ("127.0.0.1".into(), port.to_string());
    Context { environment, ip, port, memory: "512".into(), uuid: "0".into() }
}

fn own(name: &str) -> Template {
    import(&std::fs::read(folder().join("templates").join(name)).unwrap()).unwrap().template
}

/// Runs the installation script in this folder, with the default values of the variables.
fn install(template: &Template, folder: &Path) -> std::process::ExitStatus {
    let script =
        template.install.as_ref().unwrap().script.replace("/mnt/server", &folder.display().to_string());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).envs(context(template, 1).environment).status().unwrap()
}

#[test]
fn own_templates_start_with_their_defaults_and_leave_no_placeholder() {
    for file in std::fs::read_dir(folder().join("templates")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let template = own(&name);
        let started = context(&template, 4_321).startup(&template.startup);
        assert!(!started.contains("{{"), "{name}: {started}");
        let checked = std::process::Command::new("sh").args(["-n", "-c", &started]).status().unwrap();
        assert!(checked.success(), "{name}: {started}");
        if let Some(install) = &template.install {
            let checked =
                std::process::Command::new("sh").args(["-n", "-c", &install.script]).status().unwrap();
            assert!(checked.success(), "{name}: its installation script");
        }
    }
}

#[test]
fn a_static_site_begins_with_a_page_and_keeps_what_is_there() {
    let (template, folder) = (own("static-site.json"), tempfile::tempdir().unwrap());
    let page = folder.path().join("public/index.html");
    assert!(install(&template, folder.path()).success());
    assert!(std::fs::read_to_string(&page).unwrap().contains("It works"));
    std::fs::write(&page, "mine").unwrap();
    assert!(install(&template, folder.path()).success());
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
}

/// The images are not available in tests, but their programs are: the example is installed and started as the template
/// specifies.
#[test]
fn the_examples_of_the_language_templates_answer_on_their_port() {
    for (name, program) in [("nodejs.json", "node"), ("python.json", "python3")] {
        if std::process::Command::new(program).arg("--version").output().is_err() {
            assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "CI needs {program}");
            println!("SKIP: {program} is not installed");
            continue;
        }
        let (template, folder) = (own(name), tempfile::tempdir().unwrap());
        assert!(install(&template, folder.path()).success(), "{name}");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let context = context(&template, port);
        // The program is named python3 on Debian and python in the image.
        let started = context.startup(&template.startup).replace(" python ", " python3 ");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &started])
            .envs(&context.environment)
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let answer = answered(port);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(answer.is_some_and(|answer| answer.ends_with("It works.\n")), "{name}");
    }
}

/// The answer of a web server on this port once it listens; none after half a minute.
fn answered(port: u16) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) {
            let mut answer = String::new();
            socket.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
            socket.read_to_string(&mut answer).ok()?;
            return Some(answer);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
