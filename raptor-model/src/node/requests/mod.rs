//! What the control side asks of a host, one type for each request.
//!
//! A request names its route, its answer and how it is sent ([`Operation`]). From that the daemon serves it and describes it in its
//! OpenAPI document, and the control side sends it; a host implements [`Handler`] for it. So a new request is its definition
//! here, a line in [`requests!`], and what the hosts do: `raptor-node-lib` and the simulated host.

mod containers;
mod files;
mod host;
mod operation;
mod streams;

pub use containers::{
    CancelInstall, CommandRequest, ConsolePage, ConsoleQuery, ContainerList, ContainerStatsQuery,
    GetContainer, ListContainers, PowerRequest, RemoveContainer,
};
pub use host::{Acknowledgement, CleaningRequest, GetSystem, RegistryLogins, SystemStatsQuery};
pub use operation::{Input, Method, Operation, Patience, Reply};
pub use streams::{LinkRequest, LiveQuery};

use super::{
    ConsoleExport, ConsoleSearch, ContainerSpec, Node, NodeError,
    files::{FileRead, FileRequest, FileWrite, Scoped},
};
use crate::id::ContainerId;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a request is about, which is in its path.
pub trait Target: DeserializeOwned + Copy + Send + Sync + 'static {
    /// Whether it is one container.
    const IS_CONTAINER: bool;

    /// The container; none where it is the host.
    fn container(self) -> Option<ContainerId>;
}

impl Target for ContainerId {
    const IS_CONTAINER: bool = true;

    fn container(self) -> Option<ContainerId> {
        Some(self)
    }
}

/// The host itself.
impl Target for () {
    const IS_CONTAINER: bool = false;

    fn container(self) -> Option<ContainerId> {
        None
    }
}

/// Types with an OpenAPI schema; all types without the feature `openapi`.
#[cfg(feature = "openapi")]
pub use utoipa::ToSchema as Described;

/// Types with an OpenAPI schema; all types without the feature `openapi`.
#[cfg(not(feature = "openapi"))]
pub trait Described {}
#[cfg(not(feature = "openapi"))]
impl<T> Described for T {}

/// A route of a daemon. The type's own fields are the body or the query, as [`Operation::input`] says.
pub trait Route: Described + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is about: a container, or the host (`()`).
    type Target: Target;
    /// What is answered: the value, the frames of a socket, or what is said of content before it comes.
    type Answer: Described + Serialize + DeserializeOwned + Send + 'static;
    /// How it is asked.
    const OPERATION: Operation;
}

/// A request that is answered by one value.
pub trait Request: Route {
    /// The host's time until which an order holds. It is set when the order is sent: a connection that was dead for a while may
    /// still deliver it, after somebody has been told that it may not have been carried out.
    fn not_after(&mut self) -> Option<&mut Option<DateTime<Utc>>> {
        None
    }

    /// Whether its body may be larger than 2 MiB, e.g. the paths of thousands of files.
    const LARGE: bool = false;

    /// Whether its answer may be so large that a daemon sends only a few of them at a time.
    fn has_large_answer(&self) -> bool {
        false
    }

    /// Whether it is about `target`, where it names one itself.
    ///
    /// # Errors
    /// [`NodeError::Invalid`] where it names another.
    fn check(&self, target: Self::Target) -> Result<(), NodeError> {
        let _ = target;
        Ok(())
    }
}

/// A host, or the way to one, that answers requests of one type.
#[async_trait]
pub trait Handler<R: Request>: Send + Sync {
    /// Does what is asked.
    async fn handle(&self, target: R::Target, request: R) -> Result<R::Answer, NodeError>;
}

/// The answer to a request that was carried out or accepted, and has nothing else to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done;

/// Looks at the types of all requests.
pub trait Visitor {
    /// Looks at one that is answered by one value.
    fn request<R: Request>(&mut self)
    where
        dyn Node: Handler<R>;

    /// Looks at one whose answer, or question, is a stream.
    fn stream<R: Route>(&mut self);
}

macro_rules! requests {
    (values: $($request:ty),*; streams: $($stream:ty),*;) => {
        /// What answers all requests.
        pub trait AllRequests: Send + Sync $(+ Handler<$request>)* {}

        impl<T: Send + Sync $(+ Handler<$request>)*> AllRequests for T {}

        /// Shows `visitor` all requests.
        pub fn visit(visitor: &mut impl Visitor) {
            $(visitor.request::<$request>();)*
            $(visitor.stream::<$stream>();)*
        }
    };
}

requests! {
    values:
    GetSystem,
    ListContainers,
    GetContainer,
    ContainerSpec,
    RemoveContainer,
    PowerRequest,
    CancelInstall,
    RegistryLogins,
    CleaningRequest,
    Acknowledgement,
    CommandRequest,
    ConsoleQuery,
    ConsoleSearch,
    ContainerStatsQuery,
    SystemStatsQuery,
    Scoped<FileRequest>;
    streams:
    LiveQuery,
    LinkRequest,
    ConsoleExport,
    Scoped<FileRead>,
    Scoped<FileWrite>;
}
