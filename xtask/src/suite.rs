//! `cargo xtask test`: all checks and tests, ordered so that failures show as early as possible.

use crate::{
    deps, generate, images,
    run::{Outcome, command, in_ci, root, run},
    services::{self, Postgres},
};
use std::time::{Duration, Instant};

/// The result of a step.
enum End {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Steps that are run one after the other, and how each ended.
pub struct Suite {
    only: Vec<String>,
    ended: Vec<(&'static str, End, Duration)>,
    found: Found,
}

/// What there is on this machine to test with.
pub struct Found {
    docker: Outcome,
    postgres: Outcome<Postgres>,
}

impl Found {
    /// Installs and starts what is missing, as far as that is possible, and says what is not.
    pub fn look() -> Self {
        tell_room();
        let packages = services::packages();
        if let Err(why) = &packages {
            println!("not installed: {why}");
        }
        let docker = services::docker().and_then(|()| images::make());
        let postgres = Postgres::start();
        for (what, problem) in [("Docker", docker.as_ref().err()), ("PostgreSQL", postgres.as_ref().err())] {
            if let Some(problem) = problem {
                println!("{what} is away: {problem}");
            }
        }
        Self { docker, postgres }
    }

    /// Where PostgreSQL is, if it is there.
    pub fn postgres_url(&self) -> Option<String> {
        self.postgres.as_ref().ok().map(|postgres| postgres.url.clone())
    }

    /// Whether Docker is there, with the images of the tests.
    pub fn has_docker(&self) -> bool {
        self.docker.is_ok()
    }
}

/// Runs all steps, or the named ones.
pub fn test(args: &[String]) -> Outcome {
    let mut suite = Suite::new(args, Found::look());
    suite.steps();
    suite.report()
}

/// Disk space needed by the build, its databases and its containers, in MiB.
const ROOM_MIB: u64 = 14 * 1024;

/// Warns if disk space is short, since a full disk would cause misleading failures.
fn tell_room() {
    match services::free_mib() {
        Ok(free) if free < ROOM_MIB => {
            println!(
                "{free} MiB are free on this disk; the tests need about {ROOM_MIB} and may fail without."
            );
        }
        Ok(_) => {}
        Err(why) => println!("how much room there is is not known: {why}"),
    }
}

impl Suite {
    /// One that runs the steps of these names; all where none is named.
    pub fn new(only: &[String], found: Found) -> Self {
        Self { only: only.to_vec(), ended: Vec::new(), found }
    }

    fn steps(&mut self) {
        self.step("fmt", || run(&mut command("cargo", &["fmt", "--all", "--check"])));
        self.step("deps", deps::check);
        self.panel();
        self.step("clippy", || {
            run(&mut command(
                "cargo",
                &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
            ))
        });
        let (postgres, docker) = (self.found.postgres_url(), self.found.has_docker());
        self.step("rust", || {
            // Tests start programs of other crates, which cargo does not build for them. Built together with the tests: those
            // enable more features of dependencies, and everything would be compiled twice otherwise.
            run(&mut command("cargo", &["build", "--workspace", "--all-targets", "--quiet"]))?;
            let mut cargo = command("cargo", &["test", "--workspace", "--quiet", "--no-fail-fast"]);
            if let Some(url) = &postgres {
                cargo.env("RAPTOR_TEST_PG", url);
            }
            if docker {
                cargo.env("RAPTOR_TEST_DOCKER", "1");
            }
            run(&mut cargo)
        });
        self.browser(docker);
        self.step("openapi", || generate::openapi(true));
        self.step("client", || generate::client(true));
        self.missing();
    }

    fn panel(&mut self) {
        if !root().join("panel/package.json").exists() {
            return;
        }
        self.step("panel", || {
            let npm = |args: &[&str]| run(command("npm", args).current_dir(root().join("panel")));
            npm(&["ci", "--no-audit", "--no-fund"])?;
            npm(&["run", "check"])?;
            npm(&["run", "lint"])?;
            npm(&["test"])?;
            npm(&["run", "build"])
        });
    }

    /// Browser tests of the panel against the programs built before.
    fn browser(&mut self, docker: bool) {
        let chromium = std::path::Path::new("/usr/bin/chromium").exists();
        if !docker || !chromium {
            let why = if docker { "there is no /usr/bin/chromium" } else { "Docker is away" };
            self.ended.push(("browser", End::Skipped(why.into()), Duration::ZERO));
            return;
        }
        self.step("browser", || run(command("npm", &["run", "e2e"]).current_dir(root().join("panel"))));
    }

    /// Reports what could not be tested here, which is a failure in CI.
    fn missing(&mut self) {
        let docker = self.found.docker.as_ref().err().cloned();
        let postgres = self.found.postgres.as_ref().err().cloned();
        for (name, problem) in [("tests on Docker", docker), ("tests on PostgreSQL", postgres)] {
            if let Some(problem) = problem {
                self.ended.push((name, End::Skipped(problem), Duration::ZERO));
            }
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// Says that a step can't be run here, and why.
    pub fn skip(&mut self, name: &'static str, why: String) {
        if self.wants(name) {
            self.ended.push((name, End::Skipped(why), Duration::ZERO));
        }
    }

    /// Runs a step, where it is wanted.
    pub fn step(&mut self, name: &'static str, work: impl FnOnce() -> Outcome) {
        if !self.wants(name) {
            return;
        }
        println!("── {name}");
        let begun = Instant::now();
        let end = work().map_or_else(End::Failed, |()| End::Passed);
        if let End::Failed(why) = &end {
            println!("{name} failed: {why}");
        }
        self.ended.push((name, end, begun.elapsed()));
    }

    /// Prints how all steps ended.
    ///
    /// # Errors
    /// Where one failed, or in CI was skipped.
    pub fn report(self) -> Outcome {
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        println!("\n── summary");
        for (name, end, took) in &self.ended {
            let (word, why) = match end {
                End::Passed => ("passed", ""),
                End::Failed(why) => ("FAILED", why.as_str()),
                End::Skipped(why) => ("skipped", why.as_str()),
            };
            match end {
                End::Passed => passed += 1,
                End::Skipped(_) if !in_ci() => skipped += 1,
                End::Failed(_) | End::Skipped(_) => failed += 1,
            }
            println!("{word:8} {name:20} {:>6.1} s  {why}", took.as_secs_f64());
        }
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        if failed == 0 { Ok(()) } else { Err("not everything passed".into()) }
    }
}
