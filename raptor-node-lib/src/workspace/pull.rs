//! Downloading files from web addresses, never from one that only this host can reach.

use super::{Workspace, kept, operations::Progress};
use crate::files::{FileError, FilePath, FileResult, Open, Root};
use futures_util::StreamExt;
use raptor_outbound::{Outbound, OutboundError};
use reqwest::{Response, header::CONTENT_DISPOSITION};
use std::sync::Arc;
use uuid::Uuid;

/// The largest file that is downloaded, in bytes.
const MAX_SIZE: u64 = 64 * 1024 * 1024 * 1024;

impl Workspace {
    pub(super) fn pull(
        &self,
        url: &str,
        into: &FilePath,
        name: Option<&str>,
        progress: &Progress,
    ) -> FileResult<()> {
        let runtime = tokio::runtime::Handle::current();
        let work = self.fetch(url, into, name, progress, &self.operations.outbound);
        let cancelled = progress.cancel.clone();
        runtime.block_on(async {
            tokio::select! {
                () = cancelled.cancelled() => Err(FileError::Cancelled),
                done = work => done,
            }
        })
    }

    pub(super) async fn fetch(
        &self,
        url: &str,
        into: &FilePath,
        name: Option<&str>,
        progress: &Progress,
        outbound: &Outbound,
    ) -> FileResult<()> {
        let answer = outbound.get(url).await.map_err(|error| refused(&error))?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => name_of(&answer).ok_or_else(|| {
                FileError::Invalid("The address does not contain a file name. Enter a name.".into())
            })?,
        };
        let target = into.join(&name)?;
        if target.parent().as_ref() != Some(into) {
            return Err(FileError::Invalid("The name can't contain a slash.".into()));
        }
        // Checked now rather than after the download.
        self.root.check(&target)?;
        match self.root.lstat(&target) {
            Err(FileError::NotFound) => {}
            Ok(_) => return Err(FileError::Exists),
            Err(error) => return Err(error),
        }
        if let Some(length) = answer.content_length() {
            progress.total(length);
            if length > MAX_SIZE || self.root.usage().free().is_some_and(|free| length > free) {
                return Err(self.root.usage().over_limit());
            }
        }
        let beside = PartialDownload {
            kept: self.kept_folder("uploads")?,
            path: kept("uploads", Uuid::now_v7(), "")?,
        };
        self.receive(answer, &beside.path, progress).await?;
        self.root.create_dir_all(into)?;
        beside.kept.rename_into(&beside.path, &self.root, &target, false)?;
        progress.file()
    }

    async fn receive(&self, answer: Response, to: &FilePath, progress: &Progress) -> FileResult<()> {
        let file = Arc::new(self.kept()?.open_file(to, Open::NEW)?);
        let mut body = answer.bytes_stream();
        let mut offset = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| broken(&error))?;
            let (file, length) = (file.clone(), piece.len() as u64);
            let written = tokio::task::spawn_blocking(move || file.write_at(&piece, offset)).await;
            written.map_err(|error| FileError::Io(error.into()))??;
            offset += length;
            progress.bytes(length)?;
            if offset > MAX_SIZE {
                return Err(FileError::TooMuch("The file is larger than 64 GiB.".into()));
            }
        }
        Ok(())
    }
}

/// A partial download, deleted when dropped unless it was moved to its destination.
struct PartialDownload<'k> {
    kept: &'k Root,
    path: FilePath,
}

impl Drop for PartialDownload<'_> {
    fn drop(&mut self) {
        let _ = self.kept.remove_file(&self.path);
    }
}

fn refused(error: &OutboundError) -> FileError {
    FileError::Invalid(error.to_string())
}

/// The error for an interrupted connection.
fn broken(error: &reqwest::Error) -> FileError {
    FileError::Invalid(format!("The file can't be fetched: {error}."))
}

/// The file name from the response's headers, or the last segment of the address.
fn name_of(answer: &Response) -> Option<String> {
    let given = answer.headers().get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| {
        let name = value.split(';').find_map(|part| part.trim().strip_prefix("filename="))?;
        Some(name.trim_matches('"').rsplit(['/', '\\']).next().unwrap_or_default().to_owned())
    });
    let last = || answer.url().path_segments()?.next_back().map(str::to_owned);
    given.or_else(last).filter(|name| !name.is_empty() && name != "." && name != "..")
}
