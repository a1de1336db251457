//! Log output of both programs.

use std::io::IsTerminal;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Libraries that write credentials to the log at level `trace`: whole requests with their headers, or what is sent to a server.
const TELL_CREDENTIALS: [&str; 2] = ["tungstenite", "lettre"];

/// Whether an event may be logged without showing a credential.
fn is_discreet(event: &Metadata<'_>) -> bool {
    let library = event.target().split("::").next().unwrap_or_default();
    *event.level() != Level::TRACE || !TELL_CREDENTIALS.contains(&library)
}

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
    let output = fmt::layer().with_ansi(colours).with_filter(parsed.and(filter_fn(is_discreet)));
    tracing_subscriber::registry().with(output).init();
    Ok(())
}
