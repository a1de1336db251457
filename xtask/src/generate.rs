//! Generating files that are checked in.

use crate::run::{Outcome, command, output, root, run};
use std::fs;

/// Documents and the programs that print them.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("openapi.json", "raptor-api-bin", "raptor-api"),
    ("raptor-daemon-bin/openapi.json", "raptor-daemon-bin", "raptor-daemon"),
];

/// Writes the OpenAPI documents, or checks that they match the code.
pub fn openapi(check: bool) -> Outcome {
    for (file, package, program) in DOCUMENTS {
        let args = ["run", "--quiet", "--package", package, "--bin", program, "--", "openapi"];
        let mut printing = command("cargo", &args);
        if check {
            // The programs that the tests use: built separately, each would have other features, and everything would be
            // compiled again.
            run(&mut command("cargo", &["build", "--workspace", "--all-targets", "--quiet"]))?;
            printing = command(&format!("target/debug/{program}"), &["openapi"]);
        }
        settle(file, &output(&mut printing)?, check, "openapi")?;
    }
    Ok(())
}

/// Generates the clients of the API, or checks that they are what its document says.
pub fn client(check: bool) -> Outcome {
    let args = ["run", "--quiet", "--package", "xtask-codegen", "--", "openapi.json"];
    let code = output(&mut command("cargo", &args))?;
    settle("raptor-client/src/api.rs", &code, check, "client")?;
    typescript(check)
}

fn typescript(check: bool) -> Outcome {
    let panel = root().join("panel");
    if !panel.join("node_modules").exists() {
        run(command("npm", &["ci", "--no-audit", "--no-fund"]).current_dir(&panel))?;
    }
    if !check {
        return run(command("npm", &["run", "gen"]).current_dir(&panel));
    }
    let folder = panel.join("src/lib/api/generated");
    let before = files(&folder)?;
    run(command("npm", &["run", "gen"]).current_dir(&panel))?;
    if files(&folder)? == before {
        return Ok(());
    }
    Err("panel/src/lib/api/generated was not what openapi.json says; it is now: review and commit it".into())
}

fn files(folder: &std::path::Path) -> Outcome<Vec<(String, String)>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
    found.sort();
    Ok(found)
}

fn settle(file: &str, wanted: &str, check: bool, by: &str) -> Outcome {
    let path = root().join(file);
    if fs::read_to_string(&path).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    if check {
        return Err(format!(
            "{file} is not what the code says; run `cargo xtask {by}` and review the change"
        ));
    }
    println!("wrote {file}");
    fs::write(&path, wanted).map_err(|error| format!("{file} can't be written: {error}"))
}
