//! Log output of both programs.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard output with the filter `filter` (`RUST_LOG`). Output is coloured only on terminals, and not if
/// `NO_COLOR` is set (<https://no-color.org>).
///
/// # Errors
/// One sentence if `filter` can't be parsed.
pub fn start(filter: &str) -> anyhow::Result<()> {
    let parsed = EnvFilter::try_new(filter).map_err(|_| {
        anyhow::anyhow!(
            "RUST_LOG is {filter:?}: use error, warn, info, debug or trace, or by module like raptor_core=debug."
        )
    })?;
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stdout().is_terminal() && !no_colour;
    tracing_subscriber::fmt().with_env_filter(parsed).with_ansi(colours).init();
    Ok(())
}
