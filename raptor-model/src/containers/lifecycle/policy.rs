//! When a container is restarted automatically.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whether a container comes back by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// After a crash and whenever its daemon or host comes back, even if somebody had stopped it.
    Always,
    /// After a crash and whenever its daemon or host comes back, unless somebody had stopped it.
    #[default]
    UnlessStopped,
    /// Never: after a crash it stays offline until somebody starts it.
    Never,
}

/// What a container's owner decided about starting it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// Whether it is started again after its process has ended.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Whether a process that ends without being stopped counts as crashed.
    #[serde(default = "yes")]
    pub detect_crashes: bool,
    /// Whether such an end counts as a crash with exit code 0, too.
    #[serde(default)]
    pub clean_exit_is_crash: bool,
    /// Crashes in a row after which it is no longer started again; 0 for no limit.
    #[serde(default = "five")]
    pub max_crashes: u8,
}

const fn yes() -> bool {
    true
}

const fn five() -> u8 {
    5
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: RestartPolicy::default(),
            detect_crashes: true,
            clean_exit_is_crash: false,
            max_crashes: five(),
        }
    }
}

/// The longest pause before a restart.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The pause before a restart after this many crashes in a row: 1 s, 4 s, 16 s and so on, at most 5 minutes.
#[must_use]
pub fn backoff(crashes: u8) -> Duration {
    let seconds = 4_u64.saturating_pow(u32::from(crashes.saturating_sub(1)));
    Duration::from_secs(seconds).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_five_minutes() {
        let pauses: Vec<u64> = (1..=7).map(|crashes| backoff(crashes).as_secs()).collect();
        assert_eq!(pauses, [1, 4, 16, 64, 256, 300, 300]);
        assert_eq!(backoff(u8::MAX), MAX_PAUSE);
    }
}
