//! `cargo xtask up`: from a clean clone to a running Raptor.

use crate::run::{Outcome, command, output, root, run};
use std::{fs, os::unix::process::CommandExt, path::Path, time::SystemTime};

/// The help of `raptor-api up`.
const FLAGS: &str = include_str!("../../docs/up.txt");

/// Builds what changed, then executes `raptor-api up`.
pub fn up(flags: &[String]) -> Outcome {
    // As the program says it, without building the program first.
    if flags.iter().any(|flag| matches!(flag.as_str(), "--help" | "-h" | "help")) {
        print!("{FLAGS}");
        return Ok(());
    }
    if let Some(flag) = unknown(flags) {
        return Err(format!("there is no flag {flag}. `cargo xtask up --help` lists them."));
    }
    panel()?;
    println!("building raptor-api (the first build takes some minutes)");
    run(&mut command("cargo", &["build", "--profile", "up", "--package", "raptor-api-bin"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let error = command(&target.join("up/raptor-api").to_string_lossy(), &["up"]).args(flags).exec();
    Err(format!("raptor-api can't be started: {error}"))
}

/// The first of `flags` that the program does not know, so that it is reported before building.
fn unknown(flags: &[String]) -> Option<&str> {
    let known = |flag: &str| {
        let name = flag.split('=').next().unwrap_or_default();
        FLAGS.split_whitespace().any(|word| word == name)
    };
    flags.iter().map(String::as_str).find(|flag| flag.starts_with("--") && !known(flag))
}

/// Builds the panel if its sources are newer than the last build.
fn panel() -> Outcome {
    let panel = root().join("panel");
    let built = modified(&panel.join("build/index.html"));
    let sources = ["src", "static", "package-lock.json", "svelte.config.js", "vite.config.ts"];
    let newest = sources.iter().filter_map(|name| newest(&panel.join(name))).max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    let version = output(&mut command("node", &["--version"]))
        .map_err(|_| "Node.js is missing. Install Node.js 20.19 or newer, with npm.".to_owned())?;
    let version = version.trim().trim_start_matches('v');
    if !new_enough(version) {
        return Err(format!("Node.js {version} is too old. Install Node.js 20.19 or newer."));
    }
    println!("building the panel");
    let npm = |args: &[&str]| run(command("npm", args).current_dir(&panel));
    npm(&["ci", "--no-audit", "--no-fund"])?;
    npm(&["run", "build"])
}

/// Whether the Node.js version meets `engines` of the panel's package.json and Vite's requirements.
fn new_enough(node: &str) -> bool {
    let mut parts = node.split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (20, 19)
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    let own = modified(path);
    let Ok(entries) = fs::read_dir(path) else { return own };
    entries.filter_map(Result::ok).filter_map(|entry| newest(&entry.path())).chain(own).max()
}

#[cfg(test)]
mod tests {
    use super::{new_enough, unknown};

    #[test]
    fn a_flag_that_there_is_not_is_refused_before_anything_is_built() {
        let flags = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let good =
            ["--data-dir ./here --api-addr=0.0.0.0:3001", "--container-firewall off", "--sftp-port 2022"];
        for text in good {
            assert_eq!(unknown(&flags(text)), None);
        }
        assert_eq!(unknown(&flags("--data-dir ./here --nonsense")), Some("--nonsense"));
        assert_eq!(unknown(&flags("--api-adr=0.0.0.0:3001")), Some("--api-adr=0.0.0.0:3001"));
    }

    #[test]
    fn an_old_node_is_refused() {
        assert!(["20.19.0", "22.1.0", "24.0.0"].iter().all(|version| new_enough(version)));
        assert!(["18.20.4", "20.5.1", "", "nonsense"].iter().all(|version| !new_enough(version)));
    }
}
