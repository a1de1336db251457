//! Raptor's benchmarks: each figure is a ratio against a named reference on the same machine in the same run.
//! `cargo xtask bench` builds what they need, starts it, and writes `docs/benchmarks.md`.

mod bare;
mod console;
mod eggs;
mod files;
mod http;
mod memory;
mod programs;
mod report;
mod runtime;
mod seed;
mod sftp;
mod sign_in;
mod start;
mod wrk;

use clap::{Parser, Subcommand, ValueEnum};
use report::Report;
use std::path::PathBuf;

/// Raptor's benchmarks
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the suites and write the table
    Run(Setting),
    /// Serve the reference: bare Axum, with sqlx where a database is given
    Bare {
        /// Where to listen
        addr: String,
        /// What to read from
        database: Option<String>,
    },
    /// Hash passwords for so many seconds, as the reference for what that does to everything else
    Burn {
        /// At the same time
        threads: usize,
        /// For so long
        seconds: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    Http,
    SignIn,
    Console,
    Start,
    Memory,
    Runtime,
    Fleet,
    Sftp,
    Eggs,
    Files,
}

/// What to run, and how.
#[derive(clap::Args)]
pub struct Setting {
    /// Only these suites
    #[arg(long = "only", value_delimiter = ',')]
    only: Vec<Suite>,
    /// Seconds of one load
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// How often a load and its reference take turns; the medians count
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Console lines of one burst
    #[arg(long, default_value_t = 100_000)]
    pub lines: u32,
    /// Simulated daemons of one API
    #[arg(long, default_value_t = 1_000)]
    pub daemons: u32,
    /// The folder of raptor-api and raptor-daemon
    #[arg(long)]
    pub programs: PathBuf,
    /// A PostgreSQL server for a user who may create databases
    #[arg(long)]
    pub postgres: String,
    /// The file to write the table to
    #[arg(long)]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Bare { addr, database } => bare::serve(&addr, database.as_deref()).await,
        Command::Burn { threads, seconds } => {
            sign_in::burn(threads, seconds);
            Ok(())
        }
        Command::Run(setting) => run(&setting).await,
    }
}

async fn run(setting: &Setting) -> anyhow::Result<()> {
    let all = Suite::value_variants().iter().copied();
    let mut report = Report::default();
    for suite in all.filter(|suite| setting.only.is_empty() || setting.only.contains(suite)) {
        match suite {
            Suite::Http => http::run(setting, &mut report).await?,
            Suite::SignIn => sign_in::run(setting, &mut report).await?,
            Suite::Console => console::run(setting, &mut report).await?,
            Suite::Start => start::run(setting, &mut report).await?,
            Suite::Memory => memory::run(setting, &mut report).await?,
            Suite::Runtime => runtime::daemon(setting, &mut report).await?,
            Suite::Fleet => runtime::fleet(setting, &mut report).await?,
            Suite::Sftp => sftp::run(setting, &mut report).await?,
            Suite::Eggs => eggs::run(setting, &mut report)?,
            Suite::Files => files::run(setting, &mut report).await?,
        }
    }
    println!("\n{}", report.table());
    if let Some(out) = &setting.out {
        report.write(out)?;
        println!("wrote {}", out.display());
    }
    Ok(())
}
