//! `cargo xtask`: the commands for working on this repository, for people and CI.

mod bench;
mod deps;
mod generate;
mod images;
mod long;
mod run;
mod services;
mod suite;
mod up;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  up [flags]           build everything and run it on this machine; flags go to `raptor-api up`
  test [step …]        install what the tests need, start it, run them all (or only the steps named)
  test --long [step …] many rounds, large numbers and slow tools; not part of `test`, to be run by hand
  bench [flags]        measure it against references and write docs/benchmarks.md; --only http,… for a part
  openapi [--check]    write the OpenAPI documents from the code
  client [--check]     generate the Rust and TypeScript clients from the OpenAPI documents
  images               make the container images that the tests run (needs Docker)
  deps                 check which crate may depend on what
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let check = rest.iter().any(|arg| arg == "--check");
    let asked = |args: &[String]| args.iter().any(|arg| matches!(arg.as_str(), "help" | "--help" | "-h"));
    let done = match args.first().map(String::as_str) {
        Some("up") => up::up(rest),
        // Before anything is built or changed.
        _ if asked(&args) => {
            print!("{HELP}");
            Ok(())
        }
        Some("test") if rest.iter().any(|arg| arg == "--long") => long::test(rest),
        Some("test") => suite::test(rest),
        Some("bench") => bench::bench(rest),
        Some("openapi") => generate::openapi(check),
        Some("client") => generate::client(check),
        Some("images") => images::make(),
        Some("deps") => deps::check(),
        None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("there is no command `{other}`\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
