//! Measurements of running containers.

use super::{Docker, RuntimeError, docker::error};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use raptor_core::node::Stats;

/// One measurement, and what the next one needs to compute CPU use.
pub struct Sample {
    /// The measurement; CPU use is since the sample before.
    pub stats: Stats,
    cpu: u64,
    system: u64,
}

impl Docker {
    /// Measures a running container.
    ///
    /// # Errors
    /// When the engine does not answer or the container does not run.
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
        // cgroup v1 and v2 name the page cache's inactive part differently.
        let cache = details.get("total_inactive_file").or(details.get("inactive_file")).copied().unwrap_or(0);
        let networks = answer.networks.unwrap_or_default();
        let stats = Stats {
            cpu_percent,
            memory_bytes: memory.usage.unwrap_or(0).saturating_sub(cache),
            network_rx_bytes: networks.values().filter_map(|network| network.rx_bytes).sum(),
            network_tx_bytes: networks.values().filter_map(|network| network.tx_bytes).sum(),
            pids: answer.pids_stats.unwrap_or_default().current.unwrap_or(0),
            ..Stats::default()
        };
        Ok(Sample { stats, cpu, system })
    }
}
