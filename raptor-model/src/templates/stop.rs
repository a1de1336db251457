//! The notation of stop rules in eggs.

use super::StopRule;

/// The supported signals.
const SIGNALS: [&str; 12] = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM",
    "SIGTERM", "SIGCONT", "SIGSTOP",
];

/// Parses a rule; the second value is a warning.
pub(super) fn read(text: &str) -> (StopRule, Option<String>) {
    let signal = |name: &str| StopRule::Signal { signal: name.to_owned() };
    let text = text.trim();
    if text.is_empty() {
        return (StopRule::Docker, Some("It says nothing; the image's own stop signal is sent.".into()));
    }
    let Some(keys) = text.strip_prefix('^') else {
        // Nobody would use the name of a signal as a console command.
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

/// The rule in Pterodactyl's notation.
pub(super) fn write(rule: &StopRule) -> String {
    match rule {
        StopRule::Command { command } => command.clone(),
        StopRule::Signal { signal } if signal == "SIGINT" => "^C".into(),
        StopRule::Signal { signal } => format!("^{signal}"),
        StopRule::Docker => "^C".into(),
    }
}
