//! Docker, through bollard.

use super::{RuntimeError, raw};
use bollard::{
    API_DEFAULT_VERSION,
    errors::Error as DockerError,
    models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding as DockerPort},
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, KillContainerOptionsBuilder,
        RemoveContainerOptionsBuilder, StatsOptionsBuilder, StopContainerOptionsBuilder,
        WaitContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use raptor_core::{
    id::ContainerId,
    node::{ContainerSpec, PortBinding, Stats},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

const MIB: u64 = 1024 * 1024;
/// Seconds that the engine may take to answer.
const PATIENCE: u64 = 30;
/// What a container may not do even as root of its own namespace (Wings' list, with CAP_SYS_PTRACE).
const DROPPED: [&str; 11] = [
    "SETPCAP",
    "MKNOD",
    "AUDIT_WRITE",
    "NET_RAW",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "SETFCAP",
    "SYS_PTRACE",
];
/// The label by which our containers are known.
const LABEL: &str = "raptor.container";

/// The engine behind one socket.
#[derive(Clone)]
pub struct Docker {
    // Made at the first call that finds the socket: Docker may come after us.
    client: Arc<OnceLock<bollard::Docker>>,
    socket: PathBuf,
}

/// What the engine knows of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Missing,
    /// Its process runs.
    Running,
    /// Its process has ended, or was never started.
    Ended(Ended),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; 128 + n for signal n.
    pub code: i64,
    /// Whether the kernel ended it for want of memory.
    pub out_of_memory: bool,
}

/// One measurement, and what the next one needs to compute CPU use.
pub struct Sample {
    /// The measurement; CPU use is since the sample before.
    pub stats: Stats,
    cpu: u64,
    system: u64,
}

fn error(error: DockerError) -> RuntimeError {
    match error {
        DockerError::DockerResponseServerError { status_code: 404, .. } => RuntimeError::NotFound,
        DockerError::DockerResponseServerError { message, .. } => RuntimeError::Refused(message),
        DockerError::DockerStreamError { error } => RuntimeError::Refused(error),
        other => RuntimeError::Away(cause(&other)),
    }
}

/// The innermost cause: "Permission denied" rather than "error in the client".
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// The engine's name of a container: made of its id alone, never of anything that people type.
fn name(id: ContainerId) -> String {
    format!("raptor-{id}")
}

impl Docker {
    /// The engine behind `socket`. Whether it answers is seen at each call.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { client: Arc::default(), socket: socket.to_owned() }
    }

    fn client(&self) -> Result<bollard::Docker, RuntimeError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let address = self.socket.to_string_lossy();
        let client =
            bollard::Docker::connect_with_unix(&address, PATIENCE, API_DEFAULT_VERSION).map_err(error)?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// The engine's version.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, RuntimeError> {
        Ok(self.client()?.version().await.map_err(error)?.version.unwrap_or_default())
    }

    /// Whether the image is on this host.
    pub async fn has_image(&self, image: &str) -> bool {
        match self.client() {
            Ok(client) => client.inspect_image(image).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Pulls an image; yields (bytes there, bytes in all) over the layers known so far.
    pub fn pull(&self, image: &str) -> impl Stream<Item = Result<(u64, u64), RuntimeError>> + Send + use<> {
        // Without a tag, the engine would pull every tag there is.
        let last = image.rsplit('/').next().unwrap_or(image);
        let tag = if last.contains([':', '@']) { "" } else { "latest" };
        let options = CreateImageOptionsBuilder::default().from_image(image).tag(tag).build();
        let items = match self.client() {
            Ok(client) => client.create_image(Some(options), None, None).map_err(error).boxed(),
            Err(away) => futures_util::stream::once(std::future::ready(Err(away))).boxed(),
        };
        let mut layers: HashMap<String, (u64, u64)> = HashMap::new();
        items.map_ok(move |info| {
            if let (Some(id), Some(progress)) = (info.id, info.progress_detail) {
                let bytes = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
                if let (Some(current), Some(total)) = (bytes(progress.current), bytes(progress.total)) {
                    layers.insert(id, (current, total));
                }
            }
            layers.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
        })
    }

    /// Creates the container anew, from the specification alone.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn create(
        &self,
        spec: &ContainerSpec,
        env: Vec<String>,
        data: &Path,
        uid: u32,
        gid: u32,
    ) -> Result<(), RuntimeError> {
        self.remove(spec.id).await?;
        let body = ContainerCreateBody {
            image: Some(spec.image.trim_start_matches('~').to_owned()),
            hostname: Some(spec.id.short()),
            user: Some(format!("{uid}:{gid}")),
            env: Some(env),
            tty: Some(true),
            open_stdin: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            working_dir: Some("/home/container".into()),
            exposed_ports: Some(spec.ports.iter().flat_map(exposed).collect()),
            labels: Some(HashMap::from([
                (LABEL.into(), spec.id.to_string()),
                ("raptor.name".into(), spec.name.clone()),
            ])),
            host_config: Some(host_config(spec, data)),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&name(spec.id)).build();
        self.client()?.create_container(Some(options), body).await.map_err(error)?;
        Ok(())
    }

    /// Attaches to what was created, before it is started, so that nothing of its output is missed.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn attach(
        &self,
        id: ContainerId,
    ) -> Result<(impl Stream<Item = Bytes> + Send + use<>, raw::Stdin), RuntimeError> {
        raw::attach(&self.socket, &name(id), true).await
    }

    /// Joins a process that was started before: its output without the first `consumed` bytes, and the way in.
    ///
    /// # Errors
    /// When the engine refuses, as it does once the process has ended, or does not answer.
    pub async fn rejoin(
        &self,
        id: ContainerId,
        consumed: u64,
    ) -> Result<(impl Stream<Item = Bytes> + Send + use<>, raw::Stdin), RuntimeError> {
        let (_, stdin) = raw::attach(&self.socket, &name(id), false).await?;
        Ok((self.replay(id, consumed).await?, stdin))
    }

    /// All that the process has written and will write, without the first `consumed` bytes. Exact as long as the engine has
    /// not begun to throw the oldest output of the run away, which it does after 32 to 64 MiB.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn replay(
        &self,
        id: ContainerId,
        consumed: u64,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, RuntimeError> {
        raw::replay(&self.socket, &name(id), consumed).await
    }

    /// Starts what was created.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn start(&self, id: ContainerId) -> Result<(), RuntimeError> {
        self.client()?.start_container(&name(id), None).await.map_err(error)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn signal(&self, id: ContainerId, signal: &str) -> Result<(), RuntimeError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.client()?.kill_container(&name(id), Some(options)).await.map_err(error)
    }

    /// Sends the image's stop signal and returns at once; the deadline is the caller's.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn stop(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let options = StopContainerOptionsBuilder::default().t(-1).build();
        let name = name(id);
        let client = self.client()?;
        let stop = client.stop_container(&name, Some(options));
        // The engine answers when the process has ended, which may take as long as it likes.
        match tokio::time::timeout(std::time::Duration::from_secs(2), stop).await {
            Ok(stopped) => stopped.map_err(error),
            Err(_) => Ok(()),
        }
    }

    /// Waits until the process has ended. Returns early, with an error, when the engine goes away.
    ///
    /// # Errors
    /// When the engine does not answer or the container is not there.
    pub async fn wait(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let (client, name) = (self.client()?, name(id));
        let mut waiting = std::pin::pin!(client.wait_container(&name, Some(options)));
        match waiting.next().await {
            // A code other than 0 is reported as an error by the client library.
            Some(Ok(_) | Err(DockerError::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(failed)) => Err(error(failed)),
            None => Err(RuntimeError::Away("the connection was closed".into())),
        }
    }

    /// What the engine knows of the container.
    ///
    /// # Errors
    /// When the engine does not answer: then nothing is known.
    pub async fn inspect(&self, id: ContainerId) -> Result<Found, RuntimeError> {
        let found = match self.client()?.inspect_container(&name(id), None).await.map_err(error) {
            Ok(found) => found,
            Err(RuntimeError::NotFound) => return Ok(Found::Missing),
            Err(other) => return Err(other),
        };
        let state = found.state.unwrap_or_default();
        if state.running == Some(true) {
            return Ok(Found::Running);
        }
        let ended =
            Ended { code: state.exit_code.unwrap_or(-1), out_of_memory: state.oom_killed == Some(true) };
        Ok(Found::Ended(ended))
    }

    /// Removes the container, running or not. One that isn't there is no error.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn remove(&self, id: ContainerId) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.client()?.remove_container(&name(id), Some(options)).await.map_err(error) {
            Ok(()) | Err(RuntimeError::NotFound) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Measures a running container.
    ///
    /// # Errors
    /// When the engine does not answer or the container does not run.
    pub async fn sample(&self, id: ContainerId, before: Option<&Sample>) -> Result<Sample, RuntimeError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let name = name(id);
        let client = self.client()?;
        let mut stream = std::pin::pin!(client.stats(&name, Some(options)));
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

    /// The address of the host inside the default network.
    pub async fn gateway(&self) -> Option<String> {
        let network = self.client().ok()?.inspect_network("bridge", None).await.ok()?;
        network.ipam?.config?.into_iter().find_map(|config| config.gateway)
    }
}

fn exposed(port: &PortBinding) -> [String; 2] {
    [format!("{}/tcp", port.port), format!("{}/udp", port.port)]
}

fn host_config(spec: &ContainerSpec, data: &Path) -> HostConfig {
    let limits = &spec.limits;
    let memory = memory_bytes(limits.memory_mib);
    let mut ports: HashMap<String, Option<Vec<DockerPort>>> = HashMap::new();
    for port in &spec.ports {
        for key in exposed(port) {
            let binding =
                DockerPort { host_ip: Some(port.ip.to_string()), host_port: Some(port.port.to_string()) };
            ports.entry(key).or_default().get_or_insert_default().push(binding);
        }
    }
    let log = [("max-size", "32m"), ("max-file", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    HostConfig {
        binds: Some(vec![format!("{}:/home/container:rw", data.display())]),
        port_bindings: Some(ports),
        memory: (memory > 0).then(|| signed(memory)),
        memory_reservation: (memory > 0).then(|| signed(limits.memory_mib * MIB)),
        memory_swap: match limits.swap_mib {
            _ if memory == 0 => None,
            swap if swap < 0 => Some(-1),
            swap => Some(signed(memory + swap.unsigned_abs() * MIB)),
        },
        nano_cpus: (limits.cpu_percent > 0).then(|| signed(limits.cpu_percent * 10_000_000)),
        cpuset_cpus: limits.cpuset.clone(),
        blkio_weight: Some(limits.io_weight),
        pids_limit: Some(signed(limits.pids.max(1))),
        readonly_rootfs: Some(true),
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges".into()]),
        cap_drop: Some(DROPPED.map(str::to_owned).to_vec()),
        tmpfs: Some(HashMap::from([("/tmp".into(), "rw,exec,nosuid,size=100m".into())])),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from(log)),
        }),
        ..HostConfig::default()
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The engine's limit for `mib`: with the overhead that [`raptor_core::containers::Limits`] documents.
fn memory_bytes(mib: u64) -> u64 {
    let percent = match mib {
        0..=2_048 => 115,
        2_049..=4_096 => 110,
        _ => 105,
    };
    mib * MIB / 100 * percent
}
