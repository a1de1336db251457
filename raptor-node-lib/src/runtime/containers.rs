//! Creating, starting, watching and ending containers.

use super::{
    Docker, RuntimeError,
    docker::{Part, error},
    raw,
    shape::Shape,
};
use bollard::{
    errors::Error as DockerError,
    models::ContainerUpdateBody,
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptionsBuilder, KillContainerOptionsBuilder,
        RemoveContainerOptionsBuilder, StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use raptor_model::{containers::Limits, id::ContainerId};

/// The state of a container in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The engine has no container of this name.
    Missing,
    /// It was created but never started.
    Created,
    Running,
    Ended(Ended),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; 128 + n for signal n.
    pub code: i64,
    /// Whether the kernel killed it because it ran out of memory.
    pub out_of_memory: bool,
}

impl Docker {
    /// Creates a container from its shape, and returns the engine's id. Completes even if the caller is cancelled. Removes an
    /// old container of the same name, unless it is running.
    ///
    /// # Errors
    /// If the engine refuses or does not answer, or the old container is running.
    pub async fn create(&self, shape: Shape<'_>) -> Result<String, RuntimeError> {
        let (id, part) = (shape.spec.id, shape.part());
        let name = part.name(id);
        let left = self.found(id).await?.into_iter().filter(|found| found.part == part);
        for found in left.filter(|found| found.ours || found.name == name) {
            if found.runs && (part == Part::Server || !found.ours) {
                return Err(RuntimeError::Refused(format!("{} runs in Docker already", found.name)));
            }
            self.discard(&found.engine_id).await?;
        }
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        // After a restart of the daemon, output comes from the engine's log, and Docker's JSON log can't represent bytes that
        // are not UTF-8. Podman's can.
        let bytes = shape.writes_other_than_utf8() && !raw::is_podman(&self.socket).await?;
        let (client, mut body) = (self.client()?, shape.body(self.instance));
        if let Some(log) = body.host_config.as_mut().and_then(|host| host.log_config.as_mut())
            && bytes
        {
            log.typ = Some("local".into());
        }
        let create = async move {
            client.create_container(Some(options), body).await.map(|made| made.id).map_err(error)
        };
        self.in_flight.complete(&name, create).await
    }

    /// Attaches to a created container before it is started, so that none of its output is missed.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn attach(
        &self,
        name: &str,
    ) -> Result<(impl Stream<Item = Bytes> + Send + use<>, raw::Terminal), RuntimeError> {
        raw::attach(&self.socket, name, true).await
    }

    /// Attaches to a process that was started before: its output without the first `consumed` bytes, and its input.
    ///
    /// # Errors
    /// If the engine refuses, as it does once the process has ended, or does not answer.
    pub async fn rejoin(
        &self,
        name: &str,
        consumed: u64,
    ) -> Result<(impl Stream<Item = Bytes> + Send + use<>, raw::Terminal), RuntimeError> {
        // Podman closes an attachment without output. Output that arrives there is in the replay as well.
        let with_output = raw::is_podman(&self.socket).await?;
        let (output, stdin) = raw::attach(&self.socket, name, with_output).await?;
        let replay = self.replay(name, consumed).await?;
        let joined = if with_output {
            let unread = output.filter_map(|_| std::future::ready(None));
            stream::select(replay, unread).left_stream()
        } else {
            replay.right_stream()
        };
        Ok((joined, stdin))
    }

    /// All past and future output of the process without the first `consumed` bytes. Exact until the engine discards the oldest
    /// output of the run, which it does after 32 to 64 MiB.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn replay(
        &self,
        name: &str,
        consumed: u64,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, RuntimeError> {
        raw::replay(&self.socket, name, consumed).await
    }

    /// Starts a created container.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn start(&self, name: &str) -> Result<(), RuntimeError> {
        self.client()?.start_container(name, None).await.map_err(error)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn signal(&self, name: &str, signal: &str) -> Result<(), RuntimeError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.client()?.kill_container(name, Some(options)).await.map_err(error)
    }

    /// Sends the image's stop signal and returns at once; the caller enforces the deadline.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn stop(&self, name: &str) -> Result<(), RuntimeError> {
        let options = StopContainerOptionsBuilder::default().t(-1).build();
        let client = self.client()?;
        let stop = client.stop_container(name, Some(options));
        // The engine responds when the process has ended, however long that takes.
        match tokio::time::timeout(std::time::Duration::from_secs(2), stop).await {
            Ok(stopped) => stopped.map_err(error),
            Err(_) => Ok(()),
        }
    }

    /// Waits until the process has ended. Returns early, with an error, if the engine becomes unavailable.
    ///
    /// # Errors
    /// If the engine does not answer or the container doesn't exist.
    pub async fn wait(&self, name: &str) -> Result<(), RuntimeError> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let client = self.client()?;
        let mut waiting = std::pin::pin!(client.wait_container(name, Some(options)));
        match waiting.next().await {
            // bollard reports an exit code other than 0 as an error.
            Some(Ok(_) | Err(DockerError::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(failed)) => Err(error(failed)),
            None => Err(RuntimeError::Away("the connection was closed".into())),
        }
    }

    /// The state of a container in the engine.
    ///
    /// # Errors
    /// If the engine does not answer: then the state is unknown.
    pub async fn inspect(&self, name: &str) -> Result<Found, RuntimeError> {
        use bollard::models::ContainerStateStatusEnum as Status;
        let found = match self.client()?.inspect_container(name, None).await.map_err(error) {
            Ok(found) => found,
            Err(RuntimeError::NotFound) => return Ok(Found::Missing),
            Err(other) => return Err(other),
        };
        let state = found.state.unwrap_or_default();
        if state.running == Some(true) {
            return Ok(Found::Running);
        }
        if state.status == Some(Status::CREATED) {
            return Ok(Found::Created);
        }
        let ended =
            Ended { code: state.exit_code.unwrap_or(-1), out_of_memory: state.oom_killed == Some(true) };
        Ok(Found::Ended(ended))
    }

    /// Bytes that a container has written into its own root file system.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn written(&self, name: &str) -> Result<u64, RuntimeError> {
        let options = InspectContainerOptionsBuilder::default().size(true).build();
        let found = self.client()?.inspect_container(name, Some(options)).await.map_err(error)?;
        Ok(found.size_rw.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Removes a container's part from the engine, running or not, whatever its current name is. Succeeds if it doesn't exist.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn remove(&self, id: ContainerId, part: Part) -> Result<(), RuntimeError> {
        let _turn = self.in_flight.lock(&part.name(id)).await;
        for found in self.found(id).await?.into_iter().filter(|found| found.part == part && found.ours) {
            self.discard(&found.engine_id).await?;
        }
        Ok(())
    }

    /// Removes a container from the engine, running or not. Succeeds if it doesn't exist.
    ///
    /// # Errors
    /// If the engine refuses or does not answer.
    pub async fn discard(&self, engine_id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.client()?.remove_container(engine_id, Some(options)).await.map_err(error) {
            Ok(()) | Err(RuntimeError::NotFound) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Changes the limits of a running container. If the engine can't lift a limit now, it stays until the next start, and the
    /// error says so.
    ///
    /// # Errors
    /// What the engine or the kernel refuses.
    pub async fn limit(&self, name: &str, limits: &Limits, before: &Limits) -> Result<(), RuntimeError> {
        let resources = super::shape::resources(limits);
        let body = ContainerUpdateBody {
            // Omitted values stay as they are, so "unlimited" has to be explicit.
            memory: Some(resources.memory.unwrap_or(-1)),
            memory_reservation: resources.memory_reservation,
            memory_swap: Some(resources.memory_swap.unwrap_or(-1)),
            cpu_period: Some(super::shape::CPU_PERIOD),
            cpu_quota: Some(resources.cpu_quota.unwrap_or(-1)),
            cpuset_cpus: resources.cpuset_cpus,
            blkio_weight: resources.blkio_weight,
            pids_limit: resources.pids_limit,
            ..ContainerUpdateBody::default()
        };
        self.client()?.update_container(name, body).await.map_err(error)?;
        if limits.cpuset.is_none() && before.cpuset.is_some() {
            return Err(RuntimeError::Refused(
                "a restriction to certain CPUs can only be lifted by a restart".into(),
            ));
        }
        Ok(())
    }
}
