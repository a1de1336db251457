//! Requests about a container's files.

use super::{Input, Operation, Patience, Reply, Request, Route};
use crate::{
    id::ContainerId,
    node::{
        PROTOCOL,
        files::{FileAnswer, FileHead, FileRead, FileRequest, FileWrite, Scoped},
    },
};

/// What may be asked about files changes with most versions, so that it is promised between equal versions only. Everything else is
/// promised one version back.
const FILES: u32 = PROTOCOL;

impl Route for Scoped<FileRequest> {
    type Target = ContainerId;
    type Answer = FileAnswer;
    const OPERATION: Operation = Operation::post(
        "/containers/{id}/files",
        "ask_files",
        "Answer a question about a container's files, or make a small change.",
    )
    .with(Input::Json)
    .within(Patience::Long)
    .since(FILES);
}

impl Request for Scoped<FileRequest> {
    const LARGE: bool = true;

    /// Texts of up to 16 MiB are held in memory until they are sent.
    fn has_large_answer(&self) -> bool {
        matches!(self.request, FileRequest::ReadText { .. })
    }
}

impl Route for Scoped<FileRead> {
    type Target = ContainerId;
    type Answer = FileHead;
    const OPERATION: Operation = Operation::post(
        "/containers/{id}/files/read",
        "read_files",
        "Read content. The header `x-raptor-content` says what comes: JSON of `FileHead`. A client that sends `Upgrade: raptor-content` may get the bytes of a large file as they are, after status 101.",
    )
    .with(Input::Json)
    .replying(Reply::Content)
    .within(Patience::Long)
    .since(FILES);
}

impl Route for Scoped<FileWrite> {
    type Target = ContainerId;
    type Answer = FileAnswer;
    const OPERATION: Operation = Operation::put(
        "/containers/{id}/files/content",
        "write_files",
        "Write content: the body, as it comes.",
    )
    .with(Input::Content)
    .within(Patience::Long)
    .since(FILES);
}
