//! Checking which crates may depend on what, with cargo's dependency tree.

use crate::run::{Outcome, command, output};

/// Crate, flags for its tree, and forbidden dependencies.
const RULES: &[(&str, &[&str], &[&str])] = &[
    // No I/O, and no async runtime.
    ("raptor-model", &["--no-default-features"], &["roxmltree", "toml_edit", "jsonc-parser"]),
    (
        "raptor-model",
        &["--features", "openapi"],
        &["tokio", "mio", "sqlx", "reqwest", "hyper", "axum", "bollard", "rustix", "tracing"],
    ),
    (
        "raptor-model",
        &["--all-features"],
        &["libsqlite3-sys", "sqlx-sqlite", "sqlx-postgres", "mio", "reqwest", "hyper", "axum"],
    ),
    ("raptor-outbound", &[], &["sqlx", "axum", "bollard", "raptor-core", "raptor-client"]),
    (
        "raptor-store",
        &["--all-features"],
        &["raptor-core", "raptor-outbound", "raptor-client", "reqwest", "axum", "bollard"],
    ),
    ("raptor-core", &["--all-features"], &["axum", "bollard", "russh", "raptor-node-lib", "raptor-server"]),
    (
        "raptor-core",
        &["--no-default-features"],
        &["raptor-client", "lettre", "roxmltree", "toml_edit", "jsonc-parser"],
    ),
    ("raptor-node-lib", &[], &["raptor-core", "raptor-store", "sqlx", "axum", "raptor-client"]),
    ("raptor-server", &[], &["raptor-core", "raptor-store", "sqlx", "raptor-client"]),
    ("raptor-daemon-bin", &[], &["raptor-core", "sqlx", "raptor-client"]),
    ("raptor-tls", &[], &["raptor-model", "axum", "hyper", "reqwest", "sqlx"]),
    ("raptor-client", &[], &["raptor-model", "raptor-core", "raptor-node-lib", "axum", "sqlx", "bollard"]),
    ("raptor-api-bin", &[], &["openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "cmake", "bindgen"]),
    ("raptor-daemon-bin", &[], &["openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "cmake", "bindgen"]),
];

/// Crate, and what its own code must not name: what it depends on may have it.
const DIRECT: &[(&str, &[&str])] = &[
    // All SQL is in raptor-store.
    ("raptor-core", &["sqlx", "sqlx-core", "libsqlite3-sys"]),
    ("raptor-api-bin", &["sqlx", "sqlx-core", "libsqlite3-sys", "raptor-store"]),
    // The engine is the host's business alone.
    ("raptor-daemon-bin", &["bollard"]),
    ("raptor-api-bin", &["bollard"]),
];

/// Crates that are not libraries, or have files outside of their folder.
const NOT_PACKAGED: [&str; 5] =
    ["raptor-api-bin", "raptor-daemon-bin", "raptor-bench", "xtask", "xtask-codegen"];

/// Packages the libraries as for publishing, without compiling them again.
fn package() -> Outcome {
    let mut args = vec!["package", "--quiet", "--workspace", "--no-verify", "--offline", "--allow-dirty"];
    args.extend(NOT_PACKAGED.iter().flat_map(|name| ["--exclude", name]));
    output(&mut command("cargo", &args)).map(drop)
}

/// The names of what cargo builds for a crate, the crate's own among them.
fn tree(package: &str, flags: &[&str]) -> Outcome<Vec<String>> {
    let mut args =
        vec!["tree", "--quiet", "--edges", "normal,build", "--prefix", "none", "--package", package];
    args.extend(flags);
    let tree = output(&mut command("cargo", &args))?;
    Ok(tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// Fails for every forbidden dependency, and if a library can't be packaged.
pub fn check() -> Outcome {
    let mut found = Vec::new();
    for (package, flags, forbidden) in RULES {
        let names = tree(package, flags)?;
        for name in forbidden.iter().filter(|name| names.iter().any(|there| there == *name)) {
            found.push(format!("{package} {} must not depend on {name}", flags.join(" ")));
        }
    }
    for (package, forbidden) in DIRECT {
        let names = tree(package, &["--all-features", "--depth", "1"])?;
        for name in forbidden.iter().filter(|name| names.iter().any(|there| there == *name)) {
            found.push(format!("{package} must not name {name} itself"));
        }
    }
    if found.is_empty() { package() } else { Err(found.join("\n")) }
}
