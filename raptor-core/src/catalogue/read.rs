//! Parsing a catalogue file, with limits: an administrator can point to any address, so it may hold anything.

use super::{
    Catalogue, Category, Collection, EggSource, Entry, NeededUpload, StatedAmount, builtin, search::Searched,
};
use crate::hash::sha256;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

/// The supported version of the format.
const FORMAT: u32 = 1;
const MAX_ENTRIES: usize = 5_000;
const MAX_CATEGORIES: usize = 100;
const MAX_COLLECTIONS: usize = 500;
const MAX_PORTS: usize = 50;
const MAX_POPULAR: usize = 100;
const FORMATS: [&str; 5] = ["PTDL_v1", "PTDL_v2", "PLCN_v1", "PLCN_v2", "PLCN_v3"];

#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Deserialize)]
struct File {
    indexed_on: String,
    categories: Vec<Category>,
    #[serde(default)]
    popular: Vec<String>,
    collections: Vec<Collection>,
    entries: Vec<Entry>,
}

/// Parses a catalogue. Entries that name an unknown icon or template are left out.
///
/// # Errors
/// A sentence that says where the file is invalid.
pub(super) fn read(bytes: &[u8]) -> Result<Catalogue, String> {
    let version: Version =
        serde_json::from_slice(bytes).map_err(|error| format!("It is not a catalogue: {error}."))?;
    if version.format != FORMAT {
        return Err(format!(
            "It has format {}, but this version of Raptor supports format {FORMAT}.",
            version.format
        ));
    }
    let file: File = serde_json::from_slice(bytes).map_err(|error| format!("It can't be read: {error}."))?;
    check(&file)?;
    let before = file.entries.len();
    let known = |entry: &Entry| {
        builtin::drawing(&entry.icon).is_some()
            && entry.template.as_ref().is_none_or(|path| builtin::template(path).is_some())
    };
    let mut entries: Vec<Entry> = file.entries.into_iter().filter(known).collect();
    let places: BTreeMap<&str, usize> =
        file.categories.iter().enumerate().map(|(at, category)| (category.id.as_str(), at)).collect();
    let popular: BTreeMap<&str, usize> =
        file.popular.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    entries.sort_by_key(|entry| {
        let rank = popular.get(entry.id.as_str()).copied().unwrap_or(usize::MAX);
        (rank, places.get(entry.category.as_str()).copied(), entry.id.clone())
    });
    let popular = entries.iter().take_while(|entry| popular.contains_key(entry.id.as_str())).count();
    let names: BTreeMap<&str, &str> =
        file.categories.iter().map(|category| (category.id.as_str(), category.name.as_str())).collect();
    let searched = entries
        .iter()
        .map(|entry| Searched::new(entry, names.get(entry.category.as_str()).copied().unwrap_or_default()))
        .collect();
    Ok(Catalogue {
        indexed_on: file.indexed_on,
        sha256: sha256(bytes),
        left_out: before - entries.len(),
        categories: file.categories,
        collections: file.collections,
        popular,
        entries,
        searched,
    })
}

fn check(file: &File) -> Result<(), String> {
    let day = chrono::NaiveDate::parse_from_str(&file.indexed_on, "%Y-%m-%d");
    ensure(day.is_ok(), "indexed_on", "has to be a date such as 2026-11-29")?;
    for (name, count, limit) in [
        ("entries", file.entries.len(), MAX_ENTRIES),
        ("categories", file.categories.len(), MAX_CATEGORIES),
        ("collections", file.collections.len(), MAX_COLLECTIONS),
        ("popular", file.popular.len(), MAX_POPULAR),
    ] {
        ensure(count <= limit, name, format!("has {count} items, and at most {limit} are read"))?;
        ensure(count > 0 || name == "popular", name, "is empty")?;
    }
    let mut categories = BTreeSet::new();
    for (at, category) in file.categories.iter().enumerate() {
        let place = |field: &str| format!("categories[{at}].{field}");
        ensure(is_slug(&category.id), place("id"), SLUG)?;
        ensure(categories.insert(category.id.as_str()), place("id"), "is used twice")?;
        ensure(is_line(&category.name, 80), place("name"), "has to be one line of 1 to 80 characters")?;
        ensure(
            builtin::drawing(&category.icon).is_some(),
            place("icon"),
            "names an icon that this version of Raptor does not have",
        )?;
    }
    for (at, collection) in file.collections.iter().enumerate() {
        let place = |field: &str| format!("collections[{at}].{field}");
        ensure(is_repository(&collection.repository), place("repository"), REPOSITORY)?;
        ensure(is_reference(&collection.branch), place("branch"), REFERENCE)?;
        ensure(collection.commit.as_deref().is_none_or(is_reference), place("commit"), REFERENCE)?;
    }
    let mut ids = BTreeSet::new();
    for (at, entry) in file.entries.iter().enumerate() {
        check_entry(&format!("entries[{at}]"), entry, &categories)?;
        ensure(ids.insert(entry.id.as_str()), format!("entries[{at}].id"), "is used twice")?;
    }
    Ok(())
}

fn check_entry(at: &str, entry: &Entry, categories: &BTreeSet<&str>) -> Result<(), String> {
    let place = |field: &str| format!("{at}.{field}");
    ensure(is_slug(&entry.id), place("id"), SLUG)?;
    ensure(is_line(&entry.name, 80), place("name"), "has to be one line of 1 to 80 characters")?;
    ensure(
        categories.contains(entry.category.as_str()),
        place("category"),
        "is not one of the file's categories",
    )?;
    ensure(
        is_line(&entry.description, 220),
        place("description"),
        "has to be one line of 1 to 220 characters",
    )?;
    let digits = entry.colour.strip_prefix('#').unwrap_or_default();
    let is_colour = digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit());
    ensure(is_colour, place("colour"), "has to be a colour such as #337c39")?;
    ensure(
        entry.source.is_some() != entry.template.is_some(),
        at,
        "needs either a source or a template, and not both",
    )?;
    if let Some(source) = &entry.source {
        check_source(&place("source"), source)?;
    }
    for (name, amount) in [("memory_mib", &entry.memory_mib), ("disk_mib", &entry.disk_mib)] {
        if let Some(StatedAmount { minimum, recommended, .. }) = amount {
            let above_zero = [minimum, recommended].into_iter().flatten().all(|mib| *mib > 0);
            ensure(above_zero, place(name), "has to be more than 0 MiB")?;
        }
    }
    let ports = entry.ports.as_deref().unwrap_or_default();
    ensure(ports.len() <= MAX_PORTS, place("ports"), format!("has more than {MAX_PORTS} items"))?;
    if let Some(NeededUpload { variable, unless }) = &entry.upload {
        let fine = std::iter::once(variable).chain(unless).all(|env| is_variable(env));
        ensure(fine, place("upload"), "has to name variables such as JAR_FILE")?;
    }
    let fine = ports.iter().all(|port| is_line(&port.purpose, 60) && port.default != Some(0));
    ensure(fine, place("ports"), "has a port without a purpose of at most 60 characters, or the port 0")
}

fn check_source(at: &str, source: &EggSource) -> Result<(), String> {
    let place = |field: &str| format!("{at}.{field}");
    ensure(is_repository(&source.repository), place("repository"), REPOSITORY)?;
    ensure(is_reference(&source.branch), place("branch"), REFERENCE)?;
    ensure(is_path(&source.path), place("path"), "has to be the path of a file in the repository")?;
    let is_hash =
        source.sha256.len() == 64 && source.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    ensure(is_hash, place("sha256"), "has to be 64 hexadecimal digits in lower case")?;
    ensure(
        FORMATS.contains(&source.format.as_str()),
        place("format"),
        format!("has to be one of {}", FORMATS.join(", ")),
    )
}

const SLUG: &str = "has to be 1 to 64 of a to z, 0 to 9 and -";
const REPOSITORY: &str = "has to be an owner and a name, such as pelican-eggs/minecraft";
const REFERENCE: &str = "has to be the name of a branch, a tag or a commit";

fn ensure(holds: bool, place: impl Display, why: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("`{place}` {why}.")) }
}

fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether it is a single line of 1 to `most` characters.
fn is_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

fn is_variable(text: &str) -> bool {
    is_line(text, 100) && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_repository(text: &str) -> bool {
    let plain = |part: &str| {
        (1..=100).contains(&part.len())
            && !matches!(part, "." | "..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

fn is_reference(text: &str) -> bool {
    is_path(text)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+'))
}

/// Whether it is a relative path without empty, `.` or `..` segments.
fn is_path(text: &str) -> bool {
    is_line(text, 500) && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn file() -> Value {
        json!({
            "format": 1, "indexed_on": "2026-11-29",
            "categories": [{ "id": "games", "name": "Games", "icon": "train" }],
            "collections": [{ "repository": "o/n", "branch": "main", "commit": null }],
            "entries": [{
                "id": "trains", "name": "Trains", "category": "games", "kind": "game", "icon": "train",
                "description": "Build railways.", "colour": "#337c39", "memory_mib": null, "disk_mib": null, "ports": null,
                "source": { "repository": "o/n", "branch": "main", "path": "a/egg.json", "sha256": "0".repeat(64),
                            "format": "PTDL_v2", "licence": null }
            }]
        })
    }

    fn refusal(change: impl FnOnce(&mut Value)) -> String {
        let mut file = file();
        change(&mut file);
        read(file.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn a_bad_catalogue_is_refused_with_the_place_that_is_wrong() {
        assert_eq!(read(file().to_string().as_bytes()).unwrap().entries.len(), 1);
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 15] = [
            (|f| f["format"] = json!(2), "format 2"),
            (|f| f["indexed_on"] = json!("yesterday"), "`indexed_on`"),
            (|f| f["entries"] = json!([]), "`entries` is empty"),
            (|f| f["entries"][0]["id"] = json!("Trains!"), "`entries[0].id`"),
            (|f| f["entries"][0]["category"] = json!("other"), "`entries[0].category`"),
            (|f| f["entries"][0]["colour"] = json!("url(x)"), "`entries[0].colour`"),
            (|f| f["entries"][0]["kind"] = json!("virus"), "can't be read"),
            (|f| f["entries"][0]["template"] = json!("templates/openttd.json"), "not both"),
            (|f| f["entries"][0]["source"]["path"] = json!("../../../o/other/main/egg.json"), "source.path"),
            (|f| f["entries"][0]["source"]["repository"] = json!("../n"), "source.repository"),
            (|f| f["entries"][0]["source"]["branch"] = json!("a?b"), "source.branch"),
            (|f| f["entries"][0]["source"]["sha256"] = json!("abc"), "source.sha256"),
            (|f| f["entries"][0]["description"] = json!("x".repeat(221)), "description"),
            (|f| f["entries"][0]["upload"] = json!({ "variable": "a b" }), "`entries[0].upload`"),
            (|f| f["categories"][0]["icon"] = json!("nothing"), "`categories[0].icon`"),
        ];
        for (change, told) in cases {
            let why = refusal(change);
            assert!(why.contains(told), "{why} should tell of {told}");
        }
        let twice = refusal(|f| {
            let again = f["entries"][0].clone();
            f["entries"].as_array_mut().unwrap().push(again);
        });
        assert!(twice.contains("`entries[1].id` is used twice"), "{twice}");
        for bytes in [&b"<html>"[..], b"", b"[]", b"{\"format\":1}"] {
            assert!(read(bytes).is_err());
        }
    }

    #[test]
    fn entries_with_icons_or_templates_of_a_newer_raptor_are_left_out() {
        let mut file = file();
        let mut other = file["entries"][0].clone();
        other["id"] = json!("other");
        other["icon"] = json!("no-such-drawing");
        let mut own = file["entries"][0].clone();
        own["id"] = json!("own");
        own["source"] = Value::Null;
        own["template"] = json!("templates/no-such.json");
        file["entries"].as_array_mut().unwrap().extend([other, own]);
        let catalogue = read(file.to_string().as_bytes()).unwrap();
        assert_eq!((catalogue.entries.len(), catalogue.left_out), (1, 2));
    }

    #[test]
    fn what_is_popular_comes_first_and_an_id_that_is_not_there_is_passed_over() {
        let mut file = file();
        let entry = |id: &str| {
            let mut other = file["entries"][0].clone();
            other["id"] = json!(id);
            other
        };
        let more = [entry("aeroplanes"), entry("zeppelins")];
        file["entries"].as_array_mut().unwrap().extend(more);
        let ids = |file: &Value| -> (Vec<String>, usize) {
            let catalogue = read(file.to_string().as_bytes()).unwrap();
            (catalogue.entries.into_iter().map(|entry| entry.id).collect(), catalogue.popular)
        };
        assert_eq!(ids(&file), (vec!["aeroplanes".into(), "trains".into(), "zeppelins".into()], 0));
        file["popular"] = json!(["zeppelins", "gone", "trains"]);
        assert_eq!(ids(&file), (vec!["zeppelins".into(), "trains".into(), "aeroplanes".into()], 2));
        file["popular"] = json!(vec!["trains"; 101]);
        assert!(read(file.to_string().as_bytes()).unwrap_err().contains("`popular` has 101 items"));
    }
}
