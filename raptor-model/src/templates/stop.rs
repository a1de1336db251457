//! How eggs write the way to stop.

use super::StopRule;

/// The signals that may be named.
const SIGNALS: [&str; 12] = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM",
    "SIGTERM", "SIGCONT", "SIGSTOP",
];

/// Reads a rule; the second part says what was odd.
pub(super) fn read(text: &str) -> (StopRule, Option<String>) {
    let signal = |name: &str| StopRule::Signal { signal: name.to_owned() };
    let text = text.trim();
    if text.is_empty() {
        return (StopRule::Docker, Some("It says nothing; the image's own stop signal is sent.".into()));
    }
    let Some(keys) = text.strip_prefix('^') else {
        // Nobody types the name of a signal into a console.
        return match SIGNALS.contains(&text) {
            true => (signal(text), None),
            false => (StopRule::Command { command: text.to_owned() }, None),
        };
    };
    let keys = keys.trim_start_matches('^').to_ascii_uppercase();
    match keys.as_str() {
        "C" | "C^C" | "C^^C" => (signal("SIGINT"), None),
        "\\" => (signal("SIGQUIT"), None),
        name if SIGNALS.contains(&name) => (signal(name), None),
        _ => (signal("SIGINT"), Some(format!("{text} is no signal; SIGINT is sent, as ^C does."))),
    }
}

/// Writes a rule as Pterodactyl reads it.
pub(super) fn write(rule: &StopRule) -> String {
    match rule {
        StopRule::Command { command } => command.clone(),
        StopRule::Signal { signal } if signal == "SIGINT" => "^C".into(),
        StopRule::Signal { signal } => format!("^{signal}"),
        StopRule::Docker => "^C".into(),
    }
}
