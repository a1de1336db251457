//! Explaining unexpected answers of a daemon.

use super::{RemoteNode, warn_of_new};
use crate::{
    containers::lifecycle::Refused,
    node::{
        FileError, NodeError, OLDEST_PROTOCOL, PROTOCOL, SystemInfo, TOO_LATE,
        tolerant::{self, Understood},
    },
};
use raptor_client::SocketError;
use serde::{Deserialize, de::DeserializeOwned};

/// The fields of a daemon's problem document that are read.
#[derive(Deserialize)]
struct Problem {
    /// The machine-readable reason.
    code: String,
    /// The reason as a sentence.
    detail: String,
}

/// The protocol version in a daemon's answer, whatever else it contains.
fn protocol_of(system: &[u8]) -> Option<u32> {
    let system: serde_json::Value = serde_json::from_slice(system).ok()?;
    system.get("protocol")?.as_u64()?.try_into().ok()
}

impl RemoteNode {
    /// Parses the answer of a daemon, or of what is in its place.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, NodeError> {
        match serde_json::from_slice::<serde::de::IgnoredAny>(answer) {
            Ok(_) => self.understand(answer),
            Err(_) => Err(self.unreachable("a program that is not a raptor-daemon answered")),
        }
    }

    /// Parses a daemon's answer. What only a newer version understands is left out.
    fn understand<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, NodeError> {
        let Understood { value, left_out, .. } = tolerant::read(answer);
        warn_of_new(&self.noticed, &self.address, &left_out);
        value.map_err(|error| NodeError::Internal(format!("the daemon's answer can't be parsed: {error}")))
    }

    pub(super) fn unreachable(&self, why: &str) -> NodeError {
        if self.place().is_another_key(why) {
            return NodeError::WrongKey;
        }
        let address = &self.address;
        NodeError::Unreachable(format!(
            "The daemon at {address} can't be reached ({why}). Check that raptor-daemon runs there and that no firewall blocks the connection."
        ))
    }

    pub(super) fn error(&self, error: SocketError) -> NodeError {
        match error {
            SocketError::Status { body, status } => match serde_json::from_str(&body) {
                Ok(problem) => told(problem),
                Err(_) => {
                    self.unreachable(&format!("a program that is not a raptor-daemon answered {status}"))
                }
            },
            SocketError::Unreachable(why) => self.unreachable(&why),
        }
    }

    /// Parses the answer to the first request. An answer that can't be parsed is of another protocol version, or of another
    /// program.
    pub(super) async fn met(&self, answer: &[u8]) -> Result<SystemInfo, NodeError> {
        let error = match self.understand(answer) {
            Ok(system) => return Ok(system),
            Err(error) => error,
        };
        Err(match protocol_of(answer) {
            None => NodeError::Unreachable(self.place().stranger().await),
            Some(theirs) if !(OLDEST_PROTOCOL..=PROTOCOL).contains(&theirs) => NodeError::Protocol { theirs },
            Some(_) => error,
        })
    }

    /// Why the first request failed: there is no daemon, or another program in its place.
    pub(super) async fn not_met(&self, error: SocketError) -> NodeError {
        let place = self.place();
        match error {
            SocketError::Unreachable(reason) => match place.refusal(&reason).await {
                _ if place.is_another_key(&reason) => NodeError::WrongKey,
                Some(why) => NodeError::Unreachable(why),
                None => self.unreachable(&reason),
            },
            SocketError::Status { body, .. } => match serde_json::from_str::<Problem>(&body) {
                // A daemon knows this path, and has no sessions.
                Ok(problem) if matches!(problem.code.as_str(), "not_found" | "unauthenticated") => {
                    NodeError::Unreachable(place.api())
                }
                Ok(problem) => told(problem),
                Err(_) => NodeError::Unreachable(place.stranger().await),
            },
        }
    }
}

/// The error for a daemon's problem document.
fn told(problem: Problem) -> NodeError {
    if let Some(refused) = Refused::coded(&problem.code) {
        return refused.into();
    }
    match problem.code.as_str() {
        "not_found" => NodeError::NotFound,
        "invalid" => NodeError::Invalid(problem.detail),
        "wrong_key" => NodeError::WrongKey,
        TOO_LATE => NodeError::Unreachable(problem.detail),
        "docker_unavailable" => NodeError::Docker(problem.detail),
        code => match FileError::from_code(code, &problem.detail) {
            Some(error) => NodeError::File(error),
            None => NodeError::Internal(problem.detail),
        },
    }
}
