//! Containers: made, started, watched, ended.

use super::{
    Docker, RuntimeError,
    docker::{CONTAINER, INSTANCE, error},
    raw,
    shape::Shape,
};
use bollard::{
    errors::Error as DockerError,
    models::ContainerUpdateBody,
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptionsBuilder, KillContainerOptionsBuilder,
        ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
        WaitContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use raptor_core::{containers::Limits, id::ContainerId};
use std::collections::HashMap;

/// What the engine knows of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Missing,
    /// It was made and never started.
    Created,
    /// Its process runs.
    Running,
    /// Its process has ended.
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

/// A container of this daemon's that the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// The engine's name.
    pub name: String,
    /// Whose it is.
    pub id: Option<ContainerId>,
}

impl Docker {
    /// Creates a container anew, from its shape alone. What was begun is ended also where the caller is cancelled.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn create(&self, name: &str, shape: Shape<'_>) -> Result<(), RuntimeError> {
        self.remove(name).await?;
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let (client, body) = (self.client()?, shape.body(self.instance));
        let create =
            async move { client.create_container(Some(options), body).await.map(drop).map_err(error) };
        self.making.whole(name, create).await
    }

    /// Attaches to what was created, before it is started, so that nothing of its output is missed.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn attach(
        &self,
        name: &str,
    ) -> Result<(impl Stream<Item = Bytes> + Send + use<>, raw::Stdin), RuntimeError> {
        raw::attach(&self.socket, name, true).await
    }

    /// Joins a process that was started before: its output without the first `consumed` bytes, and the way in.
    ///
    /// # Errors
    /// When the engine refuses, as it does once the process has ended, or does not answer.
    pub async fn rejoin(
        &self,
        name: &str,
        consumed: u64,
    ) -> Result<(impl Stream<Item = Bytes> + Send + use<>, raw::Stdin), RuntimeError> {
        // Podman ends an attachment that wants no output. What comes there is in the replay too.
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

    /// All that the process has written and will write, without the first `consumed` bytes. Exact as long as the engine has
    /// not begun to throw the oldest output of the run away, which it does after 32 to 64 MiB.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn replay(
        &self,
        name: &str,
        consumed: u64,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, RuntimeError> {
        raw::replay(&self.socket, name, consumed).await
    }

    /// Starts what was created.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn start(&self, name: &str) -> Result<(), RuntimeError> {
        self.client()?.start_container(name, None).await.map_err(error)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn signal(&self, name: &str, signal: &str) -> Result<(), RuntimeError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.client()?.kill_container(name, Some(options)).await.map_err(error)
    }

    /// Sends the image's stop signal and returns at once; the deadline is the caller's.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn stop(&self, name: &str) -> Result<(), RuntimeError> {
        let options = StopContainerOptionsBuilder::default().t(-1).build();
        let client = self.client()?;
        let stop = client.stop_container(name, Some(options));
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
    pub async fn wait(&self, name: &str) -> Result<(), RuntimeError> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let client = self.client()?;
        let mut waiting = std::pin::pin!(client.wait_container(name, Some(options)));
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

    /// Bytes that a container wrote into its own root file system.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn written(&self, name: &str) -> Result<u64, RuntimeError> {
        let options = InspectContainerOptionsBuilder::default().size(true).build();
        let found = self.client()?.inspect_container(name, Some(options)).await.map_err(error)?;
        Ok(found.size_rw.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Removes the container, running or not. One that isn't there is no error.
    ///
    /// # Errors
    /// When the engine refuses or does not answer.
    pub async fn remove(&self, name: &str) -> Result<(), RuntimeError> {
        let _turn = self.making.turn(name).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.client()?.remove_container(name, Some(options)).await.map_err(error) {
            Ok(()) | Err(RuntimeError::NotFound) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Changes the limits of a running container. What it had and should have no more stays until the next start where the
    /// engine can't take it away: then the error says so.
    ///
    /// # Errors
    /// What the engine or the kernel refuses.
    pub async fn limit(&self, name: &str, limits: &Limits, before: &Limits) -> Result<(), RuntimeError> {
        let resources = super::shape::resources(limits);
        let body = ContainerUpdateBody {
            // What is not given stays as it is; no limit has to be said.
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
            return Err(RuntimeError::Refused("the choice of CPUs is lifted by a start only".into()));
        }
        Ok(())
    }

    /// All containers that this daemon made.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn ours(&self) -> Result<Vec<Ours>, RuntimeError> {
        let filters = HashMap::from([("label", vec![format!("{INSTANCE}={}", self.instance)])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.client()?.list_containers(Some(options)).await.map_err(error)?;
        let ours = found.into_iter().filter_map(|found| {
            let name = found.names?.into_iter().next()?.trim_start_matches('/').to_owned();
            let id = found.labels.and_then(|labels| labels.get(CONTAINER)?.parse().ok());
            Some(Ours { name, id })
        });
        Ok(ours.collect())
    }
}
