//! Reading and writing files' content as streams.

use super::{
    Workspace, enough, kept,
    operations::Progress,
    unpack::{broken, unpacked},
    uploads::Existing,
};
use crate::files::{File, FileError, FilePath, FileResult, Kind, Open};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use raptor_model::node::files::{
    ArchiveFormat, Body, Direct, FileAnswer, FileContent, FileInfo, FileRead, FileWrite,
};
use std::{
    io::{self, BufWriter, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::mpsc};
use uuid::Uuid;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;
/// Chunks buffered for a slow reader.
const AHEAD: usize = 4;
/// A reader that takes nothing for this long is considered gone.
const SILENCE: Duration = Duration::from_secs(120);
/// The most text extracted from a compressed log, in bytes.
const MAX_UNPACKED: u64 = 64 * 1024 * 1024;

impl Workspace {
    pub(crate) fn read(&self, request: FileRead) -> FileResult<FileContent> {
        match request {
            FileRead::File { path, start, length } => self.read_file(&path, start, length),
            FileRead::Version { path, id } => {
                let file = self.version(&path, id)?;
                let length = file.stat()?.len;
                Ok(of_file(None, file, 0, length))
            }
            FileRead::Unpacked { path } => self.read_unpacked(&path),
            FileRead::Archive { paths, format } => {
                enough(paths.len())?;
                paths.iter().try_for_each(|path| self.root.lstat(path).map(drop))?;
                let (workspace, (send, receive)) = (self.clone(), mpsc::channel(AHEAD));
                tokio::task::spawn_blocking(move || {
                    let mut out = BufWriter::with_capacity(PIECE, Channel(send.clone()));
                    let packed = workspace.pack(&paths, format, &mut out, &Progress::default());
                    if let Err(error) = packed.and_then(|()| Ok(out.flush()?)) {
                        let _ = send.blocking_send(Err(error.into()));
                    }
                });
                Ok(FileContent { file: None, start: 0, length: None, body: received(receive), direct: None })
            }
        }
    }

    fn read_file(&self, path: &FilePath, start: i64, length: Option<u64>) -> FileResult<FileContent> {
        let file = self.root.open_file(path, Open::READ)?;
        let stat = file.stat()?;
        let mut info = self.describe(path.clone(), &stat);
        info.etag = stat.etag();
        let start = u64::try_from(start).unwrap_or_else(|_| stat.len.saturating_sub(start.unsigned_abs()));
        let length = stat.len.saturating_sub(start).min(length.unwrap_or(u64::MAX));
        Ok(of_file(Some(info), file, start, length))
    }

    fn read_unpacked(&self, path: &FilePath) -> FileResult<FileContent> {
        let format = packing(path)?;
        let file = self.root.open_file(path, Open::READ)?;
        let mut text = unpacked(file, format)?.take(MAX_UNPACKED);
        // If the beginning is damaged, that can still be reported as an error.
        let mut begin = Vec::new();
        text.by_ref().take(PIECE as u64).read_to_end(&mut begin).map_err(broken)?;
        let (send, receive) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = pump(&mut io::Cursor::new(begin).chain(text), &send) {
                let _ = send.blocking_send(Err(error.into()));
            }
        });
        Ok(FileContent { file: None, start: 0, length: None, body: received(receive), direct: None })
    }

    /// Writes a stream to a file. Call it on a blocking thread.
    pub(super) fn write(&self, request: FileWrite, body: Body) -> FileResult<FileAnswer> {
        match request {
            FileWrite::File { path, etag, keep, by } => {
                self.replace(&path, etag.as_deref(), keep.then_some(by.as_str()), body)?;
                Ok(FileAnswer::File { file: self.info(&path)? })
            }
            FileWrite::Text { text } => self.write_text(text, body),
            FileWrite::Upload { path, size_bytes, replace, may_read } => {
                let existing = Existing { replace, may_read };
                Ok(FileAnswer::File { file: self.upload_whole(&path, size_bytes, existing, body)? })
            }
            FileWrite::Piece { upload, offset } => {
                let before = self.upload(upload)?;
                if offset != before.received_bytes {
                    return Err(FileError::Invalid(format!(
                        "The next chunk must start at byte {}.",
                        before.received_bytes
                    )));
                }
                let file = self.kept()?.open_file(&kept("uploads", upload, "")?, Open::WRITE)?;
                receive(&file, offset, before.size_bytes, body)?;
                Ok(FileAnswer::Upload { upload: self.upload(upload)? })
            }
        }
    }

    pub(super) fn replace(
        &self,
        path: &FilePath,
        etag: Option<&str>,
        keep: Option<&str>,
        body: Body,
    ) -> FileResult<()> {
        let mode = self.expected(&self.root.target(path)?, etag)?;
        let (kept_folder, beside) = (self.kept_folder("uploads")?, kept("uploads", Uuid::now_v7(), "")?);
        let file = kept_folder.open_file(&beside, Open { mode: mode.unwrap_or(0o644), ..Open::NEW })?;
        let written = receive(&file, 0, u64::MAX, body).and_then(|()| {
            // One writer at a time checks and replaces a file: of two that saw the same version, only one succeeds.
            let _turn = self.operations.turn();
            // The link may lead elsewhere by now.
            let target = self.root.target(path)?;
            self.expected(&target, etag)?;
            if let Some(by) = keep {
                self.keep_version(&target, by);
            }
            self.root.create_dir_all(&target.parent().ok_or(FileError::IsAFolder)?)?;
            kept_folder.place(&beside, &self.root, &target, etag != Some(""))
        });
        if written.is_err() {
            let _ = kept_folder.remove_file(&beside);
        }
        match written {
            Err(FileError::Exists) => Err(FileError::Changed),
            other => other,
        }
    }

    /// Fails unless the version of `path` is the one that the writer saw. Returns the mode of an existing file. `path` must not
    /// contain links.
    fn expected(&self, path: &FilePath, etag: Option<&str>) -> FileResult<Option<u32>> {
        if path.is_root() {
            return Err(FileError::IsAFolder);
        }
        let there = match self.root.lstat(path) {
            Ok(stat) if stat.kind == Kind::Folder => return Err(FileError::IsAFolder),
            Ok(stat) if stat.kind == Kind::Special => return Err(FileError::Special),
            Ok(stat) => Some(stat),
            Err(FileError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let fits = match (etag, &there) {
            (None, _) | (Some(""), None) => true,
            (Some(etag), Some(stat)) => stat.etag() == etag,
            (Some(_), None) => false,
        };
        if !fits {
            return Err(FileError::Changed);
        }
        Ok(there.filter(|stat| stat.kind == Kind::File).map(|stat| stat.mode))
    }
}

/// The compression of a single file, by its name.
pub(super) fn packing(path: &FilePath) -> FileResult<ArchiveFormat> {
    let name = path.name().unwrap_or_default().to_lowercase();
    match name.rsplit('.').next() {
        Some("gz") => Ok(ArchiveFormat::TarGz),
        Some("xz") => Ok(ArchiveFormat::TarXz),
        Some("bz2") => Ok(ArchiveFormat::TarBz2),
        Some("zst") => Ok(ArchiveFormat::TarZst),
        _ => Err(FileError::Invalid("This is not a compressed file.".into())),
    }
}

/// Writes a stream at `offset`, up to `end`.
pub(super) fn receive(file: &File, mut offset: u64, end: u64, mut body: Body) -> FileResult<()> {
    let runtime = Handle::current();
    while let Some(piece) = runtime.block_on(body.next()) {
        let piece = piece?;
        if offset.saturating_add(piece.len() as u64) > end {
            return Err(FileError::Invalid(format!("More bytes were sent than the announced {end}.")));
        }
        file.write_at(&piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

fn of_file(info: Option<FileInfo>, file: File, start: u64, length: u64) -> FileContent {
    let part = Part { file: Arc::new(file), offset: start, end: start.saturating_add(length) };
    let body = part.clone().body();
    FileContent { file: info, start, length: Some(length), body, direct: Some(Box::new(part)) }
}

/// A range of a file that is being sent.
#[derive(Clone)]
struct Part {
    file: Arc<File>,
    offset: u64,
    end: u64,
}

impl Part {
    /// The range as a stream. Reading begins when the first chunk is requested.
    fn body(self) -> Body {
        let begin = async move {
            let (send, receive) = mpsc::channel(AHEAD);
            tokio::task::spawn_blocking(move || self.read(&send));
            received(receive)
        };
        stream::once(begin).flatten().boxed()
    }

    fn read(mut self, to: &mpsc::Sender<io::Result<Bytes>>) {
        while self.offset < self.end {
            let wanted = usize::try_from(self.end - self.offset).unwrap_or(PIECE).min(PIECE);
            let mut buffer = Vec::new();
            let piece = match self.file.read_behind(&mut buffer, wanted, self.offset) {
                Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(read) => {
                    self.offset += read as u64;
                    Ok(Bytes::from(buffer))
                }
                Err(error) => Err(error.into()),
            };
            // Ends when the reader has gone, or after an error.
            let last = piece.is_err();
            if to.blocking_send(piece).is_err() || last {
                return;
            }
        }
    }
}

impl Direct for Part {
    fn send(mut self: Box<Self>, socket: &TcpStream) -> io::Result<()> {
        let mut taken = Instant::now();
        while self.offset < self.end {
            match self.file.send_to(socket, self.offset, self.end - self.offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(sent) => {
                    self.offset += sent;
                    taken = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if taken.elapsed() > SILENCE {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn received(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Body {
    stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) })
        .boxed()
}

fn pump(from: &mut dyn Read, to: &mpsc::Sender<io::Result<Bytes>>) -> FileResult<()> {
    loop {
        let mut buffer = vec![0; PIECE];
        let read = from.read(&mut buffer)?;
        buffer.truncate(read);
        if read == 0 || to.blocking_send(Ok(Bytes::from(buffer))).is_err() {
            return Ok(());
        }
    }
}

/// A writer whose output goes to the reader of the stream.
struct Channel(mpsc::Sender<io::Result<Bytes>>);

impl Write for Channel {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(data)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
