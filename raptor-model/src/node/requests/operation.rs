//! How a request is sent.

use crate::node::OLDEST_PROTOCOL;

/// How a request is sent and answered. Built in constants: the method first, then what differs from a request without fields that
/// is answered with JSON within half a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id in the OpenAPI document.
    pub id: &'static str,
    /// The HTTP method of the route.
    pub method: Method,
    /// The path below `/api/v1`, with `{id}` for a container's id.
    pub path: &'static str,
    /// What it does, in sentences.
    pub about: &'static str,
    /// Where the fields of the request are.
    pub input: Input,
    /// What comes back when it went well.
    pub reply: Reply,
    /// How long the answer is awaited.
    pub patience: Patience,
    /// The version of the protocol since which it is as it is: a daemon that speaks an older one is not asked.
    pub since: u32,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `PUT`
    Put,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
}

/// Where the fields of a request are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// There are none, or all of them are in the path.
    None,
    /// In the query, as URL-encoded fields.
    Query,
    /// In the body, as JSON.
    Json,
    /// In the query's parameter `request`, as JSON: the body is content.
    Content,
}

/// What comes back when a request went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Status 200 and JSON.
    Json,
    /// Status 202 and nothing: it is carried out later.
    Accepted,
    /// Status 204 and nothing.
    Done,
    /// Status 200 and content, as it comes.
    Content,
    /// Status 101: a WebSocket of these frames.
    Socket(&'static str),
}

/// How long an answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A person waits for an order to be accepted: 10 seconds, after which it no longer holds.
    Order,
    /// Up to 30 seconds: most requests.
    Short,
    /// As long as it takes; 2 minutes of silence are its end.
    Long,
}

impl Reply {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Json | Self::Content => 200,
            Self::Accepted => 202,
            Self::Done => 204,
            Self::Socket(_) => 101,
        }
    }
}

impl Operation {
    const fn new(method: Method, path: &'static str, id: &'static str, about: &'static str) -> Self {
        let (input, reply, patience, since) = (Input::None, Reply::Json, Patience::Short, OLDEST_PROTOCOL);
        Self { id, method, path, about, input, reply, patience, since }
    }

    /// A question.
    #[must_use]
    pub const fn get(path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self::new(Method::Get, path, id, about)
    }

    /// A change that may be asked for again.
    #[must_use]
    pub const fn put(path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self::new(Method::Put, path, id, about)
    }

    /// Anything else.
    #[must_use]
    pub const fn post(path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self::new(Method::Post, path, id, about)
    }

    /// A removal.
    #[must_use]
    pub const fn delete(path: &'static str, id: &'static str, about: &'static str) -> Self {
        Self::new(Method::Delete, path, id, about)
    }

    /// With its fields there.
    #[must_use]
    pub const fn with(self, input: Input) -> Self {
        Self { input, ..self }
    }

    /// Answered like that.
    #[must_use]
    pub const fn replying(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }

    /// As it is since that version of the protocol; it is as old as the oldest version that is spoken unless given.
    #[must_use]
    pub const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }

    /// Awaited for so long.
    #[must_use]
    pub const fn within(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }
}
