//! `cargo xtask test --long`: many rounds, large numbers and slow tools. By hand, and not in CI.

use crate::{
    run::{Outcome, command, run, succeeds},
    suite::{Found, Suite},
};

/// Tools of cargo's: the step, the tool, and what it is asked.
const TOOLS: [(&str, &str, &[&str]); 2] = [
    ("licences", "deny", &["--offline", "check", "licenses", "bans", "sources"]),
    ("unused", "machete", &[]),
];

/// How long each fuzz target is tried, in milliseconds.
const FUZZ_MS: &str = "60000";

/// One run of tests with larger numbers.
struct Rounds {
    name: &'static str,
    /// What `cargo test --workspace` is told besides.
    args: &'static [&'static str],
    set: &'static [(&'static str, &'static str)],
    docker: bool,
}

const ROUNDS: [Rounds; 5] = [
    Rounds {
        name: "kills",
        args: &["--test", "proof", "--", "whatever_is_killed", "--nocapture"],
        set: &[("RAPTOR_TEST_ROUNDS", "25")],
        docker: true,
    },
    Rounds {
        name: "mutations",
        args: &["--test", "mutations"],
        set: &[("RAPTOR_TEST_MUTATIONS", "100000"), ("BOLERO_RANDOM_TEST_TIME_MS", FUZZ_MS)],
        docker: false,
    },
    Rounds {
        name: "fuzz",
        // One after the other, so that each has its minute.
        args: &["--lib", "--", "fuzz", "--test-threads", "1"],
        set: &[("BOLERO_RANDOM_TEST_TIME_MS", FUZZ_MS)],
        docker: false,
    },
    // Builds the programs of the previous landing from the repository's history first.
    Rounds {
        name: "previous",
        args: &["--test", "proof", "--", "previous", "--ignored"],
        set: &[],
        docker: true,
    },
    Rounds {
        name: "scale",
        args: &["--test", "conformance", "--", "however_many_there_are"],
        set: &[("RAPTOR_TEST_CONTAINERS", "5000")],
        docker: false,
    },
];

/// Runs all of it, or the steps named.
pub fn test(args: &[String]) -> Outcome {
    let only: Vec<String> = args.iter().filter(|arg| *arg != "--long").cloned().collect();
    let known = || TOOLS.iter().map(|tool| tool.0).chain(ROUNDS.iter().map(|rounds| rounds.name));
    if let Some(wrong) = only.iter().find(|name| !known().any(|known| known == **name)) {
        let known: Vec<&str> = known().collect();
        return Err(format!("there is no long step `{wrong}`; there are {}", known.join(", ")));
    }
    let found = Found::look();
    let (postgres, docker) = (found.postgres_url(), found.has_docker());
    let mut suite = Suite::new(&only, found);
    for (name, tool, asked) in TOOLS {
        if succeeds(&mut command("cargo", &[tool, "--version"])) {
            suite.step(name, || run(command("cargo", &[tool]).args(asked)));
        } else {
            suite.skip(name, format!("to have it: cargo install cargo-{tool} --locked"));
        }
    }
    for rounds in ROUNDS {
        if rounds.docker && !docker {
            suite.skip(rounds.name, "Docker is away".into());
            continue;
        }
        suite.step(rounds.name, || {
            // The tests run the programs of other crates, which cargo does not build for them.
            run(&mut command("cargo", &["build", "--workspace", "--all-targets", "--quiet"]))?;
            let mut cargo = command("cargo", &["test", "--workspace", "--no-fail-fast"]);
            cargo.args(rounds.args).envs(rounds.set.iter().copied());
            if let Some(url) = &postgres {
                cargo.env("RAPTOR_TEST_PG", url);
            }
            if docker {
                cargo.env("RAPTOR_TEST_DOCKER", "1");
            }
            run(&mut cargo)
        });
    }
    suite.report()
}
