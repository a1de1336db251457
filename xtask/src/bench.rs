//! `cargo xtask bench`: the benchmarks and the services that they need.

use crate::{
    images,
    run::{Outcome, command, root, run},
    services::{self, Postgres},
};

/// Builds release programs and measures them. Flags are passed to `raptor-bench run`.
pub fn bench(flags: &[String]) -> Outcome {
    services::packages()?;
    services::docker()?;
    images::make()?;
    let postgres = Postgres::start()?;
    println!("building the programs as they are shipped (some minutes the first time)");
    let packages =
        ["--package", "raptor-api-bin", "--package", "raptor-daemon-bin", "--package", "raptor-bench"];
    run(command("cargo", &["build", "--release"]).args(packages))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let programs = target.join("release");
    let mut bench = command(&programs.join("raptor-bench").to_string_lossy(), &["run"]);
    bench.arg("--programs").arg(&programs).args(["--postgres", &postgres.url]).args(flags);
    // A partial run must not replace the whole table.
    if !flags.iter().any(|flag| flag == "--only" || flag == "--out") {
        bench.args(["--out", "docs/benchmarks.md"]);
    }
    run(&mut bench)
}
