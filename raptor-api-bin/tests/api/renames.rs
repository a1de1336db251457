//! The HTTP crate decides nothing about who may see what: it names no permission, no level and no redaction but where they are the
//! wire themselves.

use std::{collections::BTreeSet, fs, path::Path};

/// What somebody would name who decides something.
const DECIDES: [&str; 12] = [
    "ContainerPermission",
    "SystemPermission",
    "ContainerSet",
    "SystemSet",
    "Level",
    ".grants()",
    "policy::",
    "Verdict",
    "decide(",
    "redact",
    "Builtin",
    ".permissions",
];

/// Where one of them is the wire itself: by file, with why.
const WIRE: [(&str, &[&str]); 3] = [
    // The signed-in user is told what they may do.
    ("views/account.rs", &[".grants()", "SystemSet"]),
    // Access, as it is given and shown.
    ("views/access.rs", &["ContainerSet", "Level"]),
    // The lists of all permissions and levels, and a role's.
    ("views/roles.rs", &["ContainerPermission", "SystemPermission", "SystemSet", "Level", ".permissions"]),
];

fn look(folder: &Path, root: &Path, found: &mut BTreeSet<(String, &'static str)>, files: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, root, found, files);
            continue;
        }
        *files += 1;
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
            let whole = |at: usize, word: &str| {
                let name = |c: char| c.is_alphanumeric() || c == '_';
                let (before, after) = (&line[..at], &line[at + word.len()..]);
                !(word.starts_with(name) && before.ends_with(name)
                    || word.ends_with(name) && after.starts_with(name))
            };
            let names = |word: &str| line.match_indices(word).any(|(at, _)| whole(at, word));
            found.extend(DECIDES.iter().filter(|word| names(word)).map(|word| (name.clone(), *word)));
        }
    }
}

#[test]
fn the_http_crate_names_no_permission_level_or_redaction_but_where_it_is_the_wire() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut files) = (BTreeSet::new(), 0);
    look(&root, &root, &mut found, &mut files);
    assert!(files > 60, "only {files} files were read");
    let wire: BTreeSet<(String, &str)> =
        WIRE.iter().flat_map(|(file, words)| words.iter().map(|word| ((*file).to_owned(), *word))).collect();
    let decided: Vec<_> = found.difference(&wire).collect();
    assert!(decided.is_empty(), "what is decided here belongs into raptor-core: {decided:?}");
    let gone: Vec<_> = wire.difference(&found).collect();
    assert!(gone.is_empty(), "no longer there, so no longer to be listed: {gone:?}");
}
