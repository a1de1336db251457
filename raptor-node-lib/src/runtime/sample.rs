//! Measuring running containers.

use super::{Docker, RuntimeError, docker::error};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use raptor_model::node::Stats;
use std::collections::HashMap;

/// A measurement, and what the next one needs to compute CPU usage.
pub struct Sample {
    /// The measurement; CPU usage is since the previous sample.
    pub stats: Stats,
    cpu: u64,
    system: u64,
}

impl Sample {
    /// A sample whose CPU usage is already known.
    #[must_use]
    pub fn of(stats: Stats) -> Self {
        Self { stats, cpu: 0, system: 0 }
    }
}

impl Docker {
    /// Measures a running container.
    ///
    /// # Errors
    /// If the engine does not answer or the container is not running.
    pub async fn sample(&self, name: &str, before: Option<&Sample>) -> Result<Sample, RuntimeError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let client = self.client()?;
        let mut stream = std::pin::pin!(client.stats(name, Some(options)));
        let answer = stream.next().await.ok_or(RuntimeError::NotFound)?.map_err(error)?;
        let cpu_stats = answer.cpu_stats.unwrap_or_default();
        let cpu = cpu_stats.cpu_usage.unwrap_or_default().total_usage.unwrap_or(0);
        let system = cpu_stats.system_cpu_usage.unwrap_or(0);
        let cpus = f64::from(cpu_stats.online_cpus.unwrap_or(1).max(1));
        let cpu_percent = before
            .filter(|before| system > before.system && cpu >= before.cpu)
            .map_or(0.0, |before| (cpu - before.cpu) as f64 / (system - before.system) as f64 * cpus * 100.0);
        let memory = answer.memory_stats.unwrap_or_default();
        let details = memory.stats.unwrap_or_default();
        let usage = memory.usage.unwrap_or(0);
        let cache = page_cache(&details).min(usage);
        let networks = answer.networks.unwrap_or_default();
        let stats = Stats {
            cpu_percent,
            memory_bytes: usage - cache,
            memory_cache_bytes: cache,
            network_rx_bytes: networks.values().filter_map(|network| network.rx_bytes).sum(),
            network_tx_bytes: networks.values().filter_map(|network| network.tx_bytes).sum(),
            pids: answer.pids_stats.unwrap_or_default().current.unwrap_or(0),
            ..Stats::default()
        };
        Ok(Sample { stats, cpu, system })
    }
}

/// Bytes of cached files that the kernel can reclaim, from a cgroup's `memory.stat`. Files in a tmpfs don't count: they can't
/// be reclaimed.
fn page_cache(details: &HashMap<String, u64>) -> u64 {
    // cgroup v1 reports sums over all subgroups with a prefix; in v2 the plain names are the sums.
    let of = |name: &str| details.get(&format!("total_{name}")).or(details.get(name)).copied().unwrap_or(0);
    of("active_file").saturating_add(of("inactive_file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_cache_is_what_files_hold_whether_they_were_used_lately_or_not() {
        let stat = |entries: &[(&str, u64)]| -> HashMap<String, u64> {
            entries.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect()
        };
        let v2 =
            stat(&[("file", 120), ("shmem", 20), ("active_file", 70), ("inactive_file", 30), ("anon", 5)]);
        assert_eq!(page_cache(&v2), 100);
        let v1 = stat(&[
            ("cache", 1),
            ("active_file", 1),
            ("inactive_file", 1),
            ("total_active_file", 70),
            ("total_inactive_file", 30),
        ]);
        assert_eq!(page_cache(&v1), 100);
        assert_eq!(page_cache(&HashMap::new()), 0, "an engine that does not say");
    }
}
