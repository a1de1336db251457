//! A frame that is sent to several viewers.

use crate::node::LiveFrame;
use bytes::Bytes;
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

/// A frame of a live stream, encoded once for all viewers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedFrame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    frame: LiveFrame,
    json: OnceLock<Bytes>,
}

impl SharedFrame {
    /// A frame that is encoded on first use.
    #[must_use]
    pub fn new(frame: LiveFrame) -> Self {
        Self(Arc::new(Inner { frame, json: OnceLock::new() }))
    }

    /// The frame as JSON in UTF-8; the same buffer each time.
    #[must_use]
    pub fn json(&self) -> Bytes {
        let encode = || match serde_json::to_vec(&self.0.frame) {
            Ok(json) => Bytes::from(json),
            Err(error) => {
                tracing::error!(%error, "a frame can't be encoded");
                Bytes::new()
            }
        };
        self.0.json.get_or_init(encode).clone()
    }
}

impl Deref for SharedFrame {
    type Target = LiveFrame;

    fn deref(&self) -> &LiveFrame {
        &self.0.frame
    }
}
