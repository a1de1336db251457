//! The operations.

use super::gate;
use crate::{
    Error, Raptor, Result,
    activity::late,
    authz::{
        Act, Actor, ContainerPermission, Permission, Permit,
        actions::{
            ArchiveFiles, CreateFiles, DeleteFiles, ReadFileContent, ReadFiles, ReplaceFiles,
            UnpackOverFiles, UpdateFiles,
        },
    },
    containers::view::Visible,
    id::ContainerId,
    node::{
        FilePath, NodeError, TextFile, TextRead, TextWrite,
        files::{
            Body, ChecksumKind, Existing, FileAnswer, FileContent, FileHits, FileInfo, FileMove, FilePage,
            FileRead, FileRequest, FileTask, FileVersion, FileWrite, FolderSize, Operation, Scoped,
            TrashItem, Upload as UploadState,
        },
    },
    store,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Paths that one row of the audit trail names; the number of all of them stands beside.
const NAMED: usize = 20;

/// Operations on the files of a container, carried out by its host.
///
/// # Errors
/// Those of every operation: [`Error::Invalid`] at `path` for a path that the host does not accept, [`Error::NotFound`] where nothing
/// is there, [`Error::Conflict`] where what is there does not allow it, [`Error::LimitReached`] where it is too much for the disk or
/// at once, and [`Error::Unavailable`] where the host can't be reached.
pub struct FileService<'r>(pub(crate) &'r Raptor);

/// The actions that upload files: [`CreateFiles`], and [`ReplaceFiles`] where a file may replace another.
pub trait Upload: Act<On = Visible> + 'static {
    /// Whether an upload may replace a file that is there.
    const REPLACES: bool;
}

impl Upload for CreateFiles {
    const REPLACES: bool = false;
}

impl Upload for ReplaceFiles {
    const REPLACES: bool = true;
}

/// The actions that make and unpack archives: [`ArchiveFiles`], and [`UnpackOverFiles`] where unpacking may replace files.
pub trait Archive: Act<On = Visible> {
    /// Whether unpacking may replace files that are there.
    const REPLACES: bool;
}

impl Archive for ArchiveFiles {
    const REPLACES: bool = false;
}

impl Archive for UnpackOverFiles {
    const REPLACES: bool = true;
}

/// Takes the one answer that a request has.
macro_rules! answer {
    ($answer:expr, $($pattern:tt)+) => {
        match $answer {
            $($pattern)+,
            other => Err(Error::internal(format!("a host gave an answer to another question: {other:?}"))),
        }
    };
}

/// What is written down about a change.
struct Note(&'static str, Value);

impl FileService<'_> {
    /// A part of a folder's content: `request` is a [`FileRequest::List`].
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn list(&self, permit: Permit<ReadFiles>, request: FileRequest) -> Result<FilePage> {
        answer!(self.ask(permit, request, None).await?, FileAnswer::Page { page } => Ok(page))
    }

    /// What is at a path.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn stat(&self, permit: Permit<ReadFiles>, path: FilePath) -> Result<FileInfo> {
        answer!(self.ask(permit, FileRequest::Stat { path }, None).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Files whose names fit.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn find(&self, permit: Permit<ReadFiles>, path: FilePath, name: String) -> Result<FileHits> {
        let request = FileRequest::Search { path, name: Some(name), content: None };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Hits { hits } => Ok(hits))
    }

    /// Files that hold a text.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn grep(
        &self,
        permit: Permit<ReadFileContent>,
        path: FilePath,
        name: Option<String>,
        content: String,
    ) -> Result<FileHits> {
        let request = FileRequest::Search { path, name, content: Some(content) };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Hits { hits } => Ok(hits))
    }

    /// What a folder's content takes on disk.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn sizes(&self, permit: Permit<ReadFiles>, path: FilePath) -> Result<Vec<FolderSize>> {
        answer!(self.ask(permit, FileRequest::Sizes { path }, None).await?, FileAnswer::Sizes { items } => Ok(items))
    }

    /// A file's checksum.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn checksum(
        &self,
        permit: Permit<ReadFileContent>,
        path: FilePath,
        algorithm: ChecksumKind,
    ) -> Result<String> {
        let request = FileRequest::Checksum { path, algorithm };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Checksum { checksum } => Ok(checksum))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn create_folder(&self, permit: Permit<CreateFiles>, path: FilePath) -> Result<FileInfo> {
        let note = Note("file.folder_created", json!({ "path": path }));
        let request = FileRequest::CreateFolder { path };
        answer!(self.ask(permit, request, Some(note)).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Renames and moves.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn rename(
        &self,
        permit: Permit<UpdateFiles>,
        moves: Vec<FileMove>,
        replace: bool,
    ) -> Result<()> {
        let note = Note("file.moved", json!({ "moves": named(&moves), "count": moves.len() }));
        self.ask(permit, FileRequest::Move { moves, replace }, Some(note)).await.map(drop)
    }

    /// Changes permission bits.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn set_mode(&self, permit: Permit<UpdateFiles>, paths: Vec<FilePath>, mode: u32) -> Result<()> {
        let note = Note("file.mode_changed", with_paths(&paths, json!({ "mode": format!("{mode:o}") })));
        self.ask(permit, FileRequest::SetMode { paths, mode }, Some(note)).await.map(drop)
    }

    /// Puts into the trash.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn discard(&self, permit: Permit<DeleteFiles>, paths: Vec<FilePath>) -> Result<Vec<TrashItem>> {
        let note = Note("file.discarded", with_paths(&paths, json!({})));
        let by = permit.actor().name().to_owned();
        let request = FileRequest::Trash { paths, by };
        answer!(self.ask(permit, request, Some(note)).await?, FileAnswer::Trash { items } => Ok(items))
    }

    /// What is in the trash.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn trash(&self, permit: Permit<ReadFiles>) -> Result<Vec<TrashItem>> {
        answer!(self.ask(permit, FileRequest::ListTrash, None).await?, FileAnswer::Trash { items } => Ok(items))
    }

    /// Puts back where it was.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn restore(&self, permit: Permit<DeleteFiles>, ids: Vec<Uuid>) -> Result<()> {
        let note = Note("file.restored", json!({ "count": ids.len() }));
        self.ask(permit, FileRequest::Restore { ids }, Some(note)).await.map(drop)
    }

    /// Removes from the trash for good: these, or everything.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn empty_trash(&self, permit: Permit<DeleteFiles>, ids: Option<Vec<Uuid>>) -> Result<()> {
        let note = Note("file.trash_emptied", json!({ "count": ids.as_ref().map(Vec::len) }));
        self.ask(permit, FileRequest::EmptyTrash { ids }, Some(note)).await.map(drop)
    }

    /// Earlier versions of a file.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn versions(
        &self,
        permit: Permit<ReadFileContent>,
        path: FilePath,
    ) -> Result<Vec<FileVersion>> {
        let request = FileRequest::Versions { path };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Versions { items } => Ok(items))
    }

    /// Reads content. It breaks off as soon as the actor may not read it any more.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn read(&self, permit: Permit<ReadFileContent>, request: FileRead) -> Result<FileContent> {
        let (actor, target) = permit.consume();
        gate::open(&actor, &target)?;
        let node = self.0.containers().node(&target.container)?;
        let note = match &request {
            FileRead::Archive { paths, .. } => Some(with_paths(paths, json!({}))),
            _ => None,
        };
        let request = scoped(request, target.denied_files.clone());
        let id = target.container.id;
        let mut content = match note {
            None => store::elsewhere(node.files().read(id, request)).await?,
            Some(detail) => {
                let (raptor, actor, container) = (self.0.clone(), actor.clone(), target.container.clone());
                late::to_its_end(self.0, async move {
                    let content = node.files().read(id, request).await?;
                    raptor.containers().note(&actor, "file.downloaded", &container, detail).await?;
                    Ok(content)
                })
                .await?
            }
        };
        content.body = gate::while_allowed::<ReadFileContent>(self.0, actor, &target, content.body);
        // Nobody could break it off.
        content.direct = None;
        Ok(content)
    }

    /// Replaces a file, or makes it; with `etag` only while that is the version there.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_changed`, and those of every operation, see [`FileService`].
    pub async fn write(
        &self,
        permit: Permit<UpdateFiles>,
        path: FilePath,
        etag: Option<String>,
        body: Body,
    ) -> Result<FileInfo> {
        let note = Note("file.written", json!({ "path": path }));
        let by = permit.actor().name().to_owned();
        let request = FileWrite::File { path, etag, keep: true, by };
        answer!(self.send(permit, request, body, Some(note)).await?, FileAnswer::File { file } => Ok(file))
    }

    /// A text file, whatever its encoding.
    ///
    /// # Errors
    /// [`Error::Conflict`] `not_text`, [`Error::LimitReached`] `too_much` for a text that can only be read in part, and those of every operation, see [`FileService`].
    pub async fn read_text(&self, permit: Permit<ReadFileContent>, text: TextRead) -> Result<TextFile> {
        let request = FileRequest::ReadText { text };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Text { text } => Ok(*text))
    }

    /// Saves an edited text, which comes as UTF-8: what was not edited keeps its bytes. The actor's name is put into `text`.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_changed`, [`Error::Invalid`] at `text` for characters that the encoding does not have, and those of every operation, see [`FileService`].
    pub async fn write_text(
        &self,
        permit: Permit<UpdateFiles>,
        mut text: TextWrite,
        body: Body,
    ) -> Result<FileInfo> {
        let mut detail = json!({ "path": text.path });
        if text.encoding != text.read_as {
            detail["converted"] = json!({ "from": text.read_as, "to": text.encoding });
        }
        permit.actor().name().clone_into(&mut text.by);
        let request = FileWrite::Text { text };
        let note = Some(Note("file.written", detail));
        answer!(self.send(permit, request, body, note).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_changed` where there is one, and those of every operation, see [`FileService`].
    pub async fn create(&self, permit: Permit<CreateFiles>, path: FilePath, body: Body) -> Result<FileInfo> {
        let note = Note("file.created", json!({ "path": path }));
        let by = permit.actor().name().to_owned();
        let request = FileWrite::File { path, etag: Some(String::new()), keep: false, by };
        answer!(self.send(permit, request, body, Some(note)).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Sends a whole file in one request. With a permit for [`ReplaceFiles`], it may replace another. For an actor who may read
    /// files, sending the same content again is idempotent.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_exists` where another file is there, and those of every operation, see [`FileService`].
    pub async fn upload_file<A: Upload>(
        &self,
        permit: Permit<A>,
        path: FilePath,
        size_bytes: u64,
        body: Body,
    ) -> Result<FileInfo> {
        let note = Note("file.uploaded", json!({ "path": path, "size_bytes": size_bytes }));
        let may_read = permit.target().permissions.contains(ContainerPermission::FileReadContent);
        let request = FileWrite::Upload { path, size_bytes, replace: A::REPLACES, may_read };
        answer!(self.send(permit, request, body, Some(note)).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Begins to send a file in pieces. With a permit for [`ReplaceFiles`], it may replace another. With an `id`, the call is
    /// idempotent: it answers the upload of that id.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn begin_upload<A: Upload>(
        &self,
        permit: Permit<A>,
        id: Option<Uuid>,
        path: FilePath,
        size_bytes: u64,
    ) -> Result<UploadState> {
        let request = FileRequest::BeginUpload { id, path, size_bytes, replace: A::REPLACES };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Upload { upload } => Ok(upload))
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn upload(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<UploadState> {
        let request = FileRequest::GetUpload { id };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Upload { upload } => Ok(upload))
    }

    /// The next piece of an upload.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn send_piece(
        &self,
        permit: Permit<CreateFiles>,
        upload: Uuid,
        offset: u64,
        body: Body,
    ) -> Result<UploadState> {
        let request = FileWrite::Piece { upload, offset };
        answer!(self.send(permit, request, body, None).await?, FileAnswer::Upload { upload } => Ok(upload))
    }

    /// Puts an upload that is whole where it belongs. Asked again, the file is answered. It replaces another file only if it was
    /// begun to do so and the actor may change files.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_exists` where it may not replace the file that is there, and those of every operation, see
    /// [`FileService`].
    pub async fn finish_upload(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<FileInfo> {
        let (actor, target) = permit.consume();
        gate::open(&actor, &target)?;
        // The permission to replace may be gone since the upload was begun, or have been somebody else's.
        let may_replace = target.permissions.contains(ContainerPermission::FileUpdate);
        let container = target.container;
        let node = self.0.containers().node(&container)?;
        let request = scoped(FileRequest::FinishUpload { id, may_replace }, target.denied_files);
        let raptor = self.0.clone();
        late::to_its_end(self.0, async move {
            let done = node.files().ask(container.id, request).await?;
            let file = answer!(done, FileAnswer::File { file } => Ok::<_, Error>(file))?;
            let detail = json!({ "path": file.path, "size_bytes": file.size_bytes });
            raptor.containers().note(&actor, "file.uploaded", &container, detail).await?;
            Ok(file)
        })
        .await
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn abort_upload(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<()> {
        self.ask(permit, FileRequest::AbortUpload { id }, None).await.map(drop)
    }

    /// Copies. It goes on by itself.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn copy(&self, permit: Permit<CreateFiles>, copies: Vec<FileMove>) -> Result<Operation> {
        let note = Note("file.copied", json!({ "copies": named(&copies), "count": copies.len() }));
        self.start(permit, FileTask::Copy { copies }, note).await
    }

    /// Deletes for good. It goes on by itself.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn delete(&self, permit: Permit<DeleteFiles>, paths: Vec<FilePath>) -> Result<Operation> {
        let note = Note("file.deleted", with_paths(&paths, json!({})));
        self.start(permit, FileTask::Delete { paths }, note).await
    }

    /// Makes or unpacks an archive, as a background operation on the host. With a permit for [`UnpackOverFiles`], unpacking may
    /// replace files that are there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a task that is neither, [`Error::Forbidden`] for unpacking over files with a permit for
    /// [`ArchiveFiles`], and those of every operation, see [`FileService`].
    pub async fn archive<A: Archive>(&self, permit: Permit<A>, task: FileTask) -> Result<Operation> {
        let note = match &task {
            FileTask::Archive { paths, to, .. } => {
                Note("file.archived", with_paths(paths, json!({ "to": to })))
            }
            FileTask::Extract { existing: Existing::Replace, .. } if !A::REPLACES => {
                return Err(Error::Forbidden { permission: ContainerPermission::FileUpdate.name().into() });
            }
            FileTask::Extract { path, into, .. } => {
                Note("file.extracted", json!({ "path": path, "into": into }))
            }
            _ => return Err(Error::invalid("type", "Use `archive` or `extract`.")),
        };
        self.start(permit, task, note).await
    }

    /// Fetches a file from a web address. It goes on by itself, but not without what allowed it: the session that began it, and
    /// the access.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn pull(
        &self,
        permit: Permit<CreateFiles>,
        url: String,
        into: FilePath,
        name: Option<String>,
    ) -> Result<Operation> {
        // What is behind the question mark may be a secret.
        let shown = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let note = Note("file.pulled", json!({ "url": shown, "into": into }));
        let (actor, target) = (permit.actor().clone(), permit.target().clone());
        let (raptor, by) = (self.0.clone(), actor.name().to_owned());
        let request = FileRequest::Start { task: FileTask::Pull { url, into, name }, by };
        let watch = move |answer: &FileAnswer| {
            if let FileAnswer::Operation { operation } = answer {
                gate::stop_when_lost::<CreateFiles>(&raptor, actor, target, operation.id);
            }
        };
        let begun = self.ask_then(permit, request, note, watch).await?;
        answer!(begun, FileAnswer::Operation { operation } => Ok(operation))
    }

    /// What goes on by itself.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn operations(&self, permit: Permit<ReadFiles>) -> Result<Vec<Operation>> {
        let request = FileRequest::Operations;
        answer!(self.ask(permit, request, None).await?, FileAnswer::Operations { items } => Ok(items))
    }

    /// Stops what goes on by itself, or forgets what has ended.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn cancel(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<()> {
        self.ask(permit, FileRequest::Cancel { id }, None).await.map(drop)
    }

    async fn start<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        task: FileTask,
        note: Note,
    ) -> Result<Operation> {
        let by = permit.actor().name().to_owned();
        let request = FileRequest::Start { task, by };
        answer!(self.ask(permit, request, Some(note)).await?, FileAnswer::Operation { operation } => Ok(operation))
    }

    async fn ask<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        request: FileRequest,
        note: Option<Note>,
    ) -> Result<FileAnswer> {
        if let Some(note) = note {
            return self.ask_then(permit, request, note, |_| {}).await;
        }
        let (actor, target) = permit.consume();
        gate::open(&actor, &target)?;
        let node = self.0.containers().node(&target.container)?;
        let asked = node.files().ask(target.container.id, scoped(request, target.denied_files));
        Ok(store::elsewhere(asked).await?)
    }

    /// Changes something, does `then` with the host's answer, and writes it down.
    async fn ask_then<A: Act<On = Visible>>(
        &self,
        permit: Permit<A>,
        request: FileRequest,
        note: Note,
        then: impl FnOnce(&FileAnswer) + Send + 'static,
    ) -> Result<FileAnswer> {
        let (actor, target) = permit.consume();
        gate::open(&actor, &target)?;
        let container = target.container;
        let node = self.0.containers().node(&container)?;
        let (raptor, request) = (self.0.clone(), scoped(request, target.denied_files));
        late::to_its_end(self.0, async move {
            let answer = node.files().ask(container.id, request).await?;
            then(&answer);
            let Note(action, detail) = note;
            raptor.containers().note(&actor, action, &container, detail).await?;
            Ok(answer)
        })
        .await
    }

    async fn send<A: Act<On = Visible> + 'static>(
        &self,
        permit: Permit<A>,
        request: FileWrite,
        body: Body,
        note: Option<Note>,
    ) -> Result<FileAnswer> {
        let (actor, target) = permit.consume();
        gate::open(&actor, &target)?;
        let body = gate::while_allowed::<A>(self.0, actor.clone(), &target, body);
        let container = target.container;
        let node = self.0.containers().node(&container)?;
        let request = scoped(request, target.denied_files);
        let Some(Note(action, detail)) = note else {
            let sent = store::elsewhere(node.files().write(container.id, request, body)).await;
            return broken_off::<A>(self.0, &actor, container.id, sent).await;
        };
        let gone = CancellationToken::new();
        let body = gate::while_there(body, gone.clone());
        let _here = gone.drop_guard();
        let raptor = self.0.clone();
        late::to_its_end(self.0, async move {
            let sent = node.files().write(container.id, request, body).await;
            let answer = broken_off::<A>(&raptor, &actor, container.id, sent).await?;
            raptor.containers().note(&actor, action, &container, detail).await?;
            Ok(answer)
        })
        .await
    }
}

/// What came of sending content. Where the permission has ended meanwhile, that is what broke it off, and no fault of the host.
async fn broken_off<A: Act<On = Visible>>(
    raptor: &Raptor,
    actor: &Actor,
    id: ContainerId,
    sent: std::result::Result<FileAnswer, NodeError>,
) -> Result<FileAnswer> {
    if sent.is_err() {
        let _ = raptor.authz().permit::<A>(actor, id).await?;
    }
    Ok(sent?)
}

/// The request of somebody from whom that is kept.
fn scoped<T>(request: T, denied: Vec<String>) -> Scoped<T> {
    Scoped { request, denied }
}

fn named(moves: &[FileMove]) -> Vec<&FileMove> {
    moves.iter().take(NAMED).collect()
}

fn with_paths(paths: &[FilePath], mut detail: Value) -> Value {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("paths".into(), json!(paths.iter().take(NAMED).collect::<Vec<_>>()));
        detail.insert("count".into(), json!(paths.len()));
    }
    detail
}
