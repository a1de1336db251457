//! Operations on files.

use super::gate;
use crate::{
    Error, Raptor, Result,
    activity::deferred,
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

/// How many paths an activity lists; it also has their total number.
const NAMED: usize = 20;

/// Operations on the files of a container, carried out by its host.
///
/// # Errors
/// Those of every operation: [`Error::Invalid`] at `path` if the host does not accept the path, [`Error::NotFound`] if it
/// doesn't exist, [`Error::Conflict`] if what exists there does not allow the operation, [`Error::LimitReached`] if it is too
/// much for the disk or at once, and [`Error::Unavailable`] if the host can't be reached.
pub struct FileService<'r>(pub(crate) &'r Raptor);

/// The actions that upload files: [`CreateFiles`], and [`ReplaceFiles`] if existing files may be overwritten.
pub trait Upload: Act<On = Visible> + 'static {
    /// Whether an upload may overwrite an existing file.
    const REPLACES: bool;
}

impl Upload for CreateFiles {
    const REPLACES: bool = false;
}

impl Upload for ReplaceFiles {
    const REPLACES: bool = true;
}

/// The actions that create and extract archives: [`ArchiveFiles`], and [`UnpackOverFiles`] if extracting may overwrite files.
pub trait Archive: Act<On = Visible> {
    /// Whether extracting may overwrite existing files.
    const REPLACES: bool;
}

impl Archive for ArchiveFiles {
    const REPLACES: bool = false;
}

impl Archive for UnpackOverFiles {
    const REPLACES: bool = true;
}

/// Extracts the one answer variant that belongs to a request.
macro_rules! answer {
    ($answer:expr, $($pattern:tt)+) => {
        match $answer {
            $($pattern)+,
            other => Err(Error::internal(format!("a host gave the wrong kind of answer: {other:?}"))),
        }
    };
}

/// The activity to record for a change: its action and detail.
struct Note(&'static str, Value);

impl FileService<'_> {
    /// A page of a folder's content: `request` is a [`FileRequest::List`].
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn list(&self, permit: Permit<ReadFiles>, request: FileRequest) -> Result<FilePage> {
        answer!(self.ask(permit, request, None).await?, FileAnswer::Page { page } => Ok(page))
    }

    /// The file or folder at a path.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn stat(&self, permit: Permit<ReadFiles>, path: FilePath) -> Result<FileInfo> {
        answer!(self.ask(permit, FileRequest::Stat { path }, None).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Files whose names match.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn find(&self, permit: Permit<ReadFiles>, path: FilePath, name: String) -> Result<FileHits> {
        let request = FileRequest::Search { path, name: Some(name), content: None };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Hits { hits } => Ok(hits))
    }

    /// Files that contain a text.
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

    /// The disk usage of a folder's content.
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

    /// Creates a folder.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn create_folder(&self, permit: Permit<CreateFiles>, path: FilePath) -> Result<FileInfo> {
        let note = Note("file.folder_created", json!({ "path": path }));
        let request = FileRequest::CreateFolder { path };
        answer!(self.ask(permit, request, Some(note)).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Renames and moves files.
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

    /// Moves files to the trash.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn discard(&self, permit: Permit<DeleteFiles>, paths: Vec<FilePath>) -> Result<Vec<TrashItem>> {
        let note = Note("file.discarded", with_paths(&paths, json!({})));
        let by = permit.actor().name().to_owned();
        let request = FileRequest::Trash { paths, by };
        answer!(self.ask(permit, request, Some(note)).await?, FileAnswer::Trash { items } => Ok(items))
    }

    /// The content of the trash.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn trash(&self, permit: Permit<ReadFiles>) -> Result<Vec<TrashItem>> {
        answer!(self.ask(permit, FileRequest::ListTrash, None).await?, FileAnswer::Trash { items } => Ok(items))
    }

    /// Restores items from the trash to where they were.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn restore(&self, permit: Permit<DeleteFiles>, ids: Vec<Uuid>) -> Result<()> {
        let note = Note("file.restored", json!({ "count": ids.len() }));
        self.ask(permit, FileRequest::Restore { ids }, Some(note)).await.map(drop)
    }

    /// Deletes items from the trash for good; `None` = all of them.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn empty_trash(&self, permit: Permit<DeleteFiles>, ids: Option<Vec<Uuid>>) -> Result<()> {
        let note = Note("file.trash_emptied", json!({ "count": ids.as_ref().map(Vec::len) }));
        self.ask(permit, FileRequest::EmptyTrash { ids }, Some(note)).await.map(drop)
    }

    /// Previous versions of a file.
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

    /// Reads a file or folder. The stream fails as soon as the actor may no longer read it.
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
            None => store::elsewhere(node.read_file(id, request)).await?,
            Some(detail) => {
                let (raptor, actor, container) = (self.0.clone(), actor.clone(), target.container.clone());
                deferred::run_to_completion(self.0, async move {
                    let content = node.read_file(id, request).await?;
                    raptor.containers().note(&actor, "file.downloaded", &container, detail).await?;
                    Ok(content)
                })
                .await?
            }
        };
        content.body = gate::while_allowed::<ReadFileContent>(self.0, actor, &target, content.body);
        // A direct transfer could not be aborted.
        content.direct = None;
        Ok(content)
    }

    /// Replaces or creates a file; with `etag`, only if that is still its version.
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

    /// Reads a text file, decoded from any supported encoding.
    ///
    /// # Errors
    /// [`Error::Conflict`] `not_text`, [`Error::LimitReached`] `too_much` if the text is too large to read as a whole, and
    /// those of every operation, see [`FileService`].
    pub async fn read_text(&self, permit: Permit<ReadFileContent>, text: TextRead) -> Result<TextFile> {
        let request = FileRequest::ReadText { text };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Text { text } => Ok(*text))
    }

    /// Saves an edited text, given as UTF-8. Parts that were not edited keep their bytes. Sets the actor's name in `text`.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_changed`, [`Error::Invalid`] at `text` if the encoding lacks a character, and those of every
    /// operation, see [`FileService`].
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

    /// Creates a file that does not exist yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_changed` if it exists, and those of every operation, see [`FileService`].
    pub async fn create(&self, permit: Permit<CreateFiles>, path: FilePath, body: Body) -> Result<FileInfo> {
        let note = Note("file.created", json!({ "path": path }));
        let by = permit.actor().name().to_owned();
        let request = FileWrite::File { path, etag: Some(String::new()), keep: false, by };
        answer!(self.send(permit, request, body, Some(note)).await?, FileAnswer::File { file } => Ok(file))
    }

    /// Uploads a whole file in one request. With a permit for [`ReplaceFiles`], it may overwrite an existing file. If the actor
    /// may read files, uploading the same content again is idempotent.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_exists` if another file exists, and those of every operation, see [`FileService`].
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

    /// Starts a chunked upload. With a permit for [`ReplaceFiles`], it may overwrite an existing file. With an `id`, the call
    /// is idempotent: it returns the upload with that id.
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

    /// The progress of an upload.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn upload(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<UploadState> {
        let request = FileRequest::GetUpload { id };
        answer!(self.ask(permit, request, None).await?, FileAnswer::Upload { upload } => Ok(upload))
    }

    /// Uploads the next chunk.
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

    /// Moves a complete upload to its destination. Idempotent: repeated, it returns the file. It overwrites an existing file
    /// only if the upload was started to do so and the actor may change files.
    ///
    /// # Errors
    /// [`Error::Conflict`] `file_exists` if it may not overwrite the existing file, and those of every operation, see
    /// [`FileService`].
    pub async fn finish_upload(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<FileInfo> {
        let (actor, target) = permit.consume();
        gate::open(&actor, &target)?;
        // The permission may have been revoked since the upload was started, or it was started by somebody else.
        let may_replace = target.permissions.contains(ContainerPermission::FileUpdate);
        let container = target.container;
        let node = self.0.containers().node(&container)?;
        let request = scoped(FileRequest::FinishUpload { id, may_replace }, target.denied_files);
        let raptor = self.0.clone();
        deferred::run_to_completion(self.0, async move {
            let done = node.handle(container.id, request).await?;
            let file = answer!(done, FileAnswer::File { file } => Ok::<_, Error>(file))?;
            let detail = json!({ "path": file.path, "size_bytes": file.size_bytes });
            raptor.containers().note(&actor, "file.uploaded", &container, detail).await?;
            Ok(file)
        })
        .await
    }

    /// Discards an upload.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn abort_upload(&self, permit: Permit<CreateFiles>, id: Uuid) -> Result<()> {
        self.ask(permit, FileRequest::AbortUpload { id }, None).await.map(drop)
    }

    /// Copies files, as a background operation.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn copy(&self, permit: Permit<CreateFiles>, copies: Vec<FileMove>) -> Result<Operation> {
        let note = Note("file.copied", json!({ "copies": named(&copies), "count": copies.len() }));
        self.start(permit, FileTask::Copy { copies }, note).await
    }

    /// Deletes files for good, as a background operation.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn delete(&self, permit: Permit<DeleteFiles>, paths: Vec<FilePath>) -> Result<Operation> {
        let note = Note("file.deleted", with_paths(&paths, json!({})));
        self.start(permit, FileTask::Delete { paths }, note).await
    }

    /// Creates or extracts an archive, as a background operation. With a permit for [`UnpackOverFiles`], extracting may
    /// overwrite existing files.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other task, [`Error::Forbidden`] for extracting over files with a permit for
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

    /// Downloads a file from a web address, as a background operation. It is cancelled when the session that started it or the
    /// access ends.
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
        // The query string may contain a secret.
        let shown = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let note = Note("file.pulled", json!({ "url": shown, "into": into }));
        let (actor, target) = (permit.actor().clone(), permit.target().clone());
        let (raptor, by) = (self.0.clone(), actor.name().to_owned());
        let request = FileRequest::Start { task: FileTask::Pull { url, into, name }, by };
        let watch = move |answer: &FileAnswer| {
            if let FileAnswer::Operation { operation } = answer {
                gate::cancel_when_revoked::<CreateFiles>(&raptor, actor, target, operation.id);
            }
        };
        let begun = self.ask_then(permit, request, note, watch).await?;
        answer!(begun, FileAnswer::Operation { operation } => Ok(operation))
    }

    /// The background operations of the container.
    ///
    /// # Errors
    /// Those of every operation, see [`FileService`].
    pub async fn operations(&self, permit: Permit<ReadFiles>) -> Result<Vec<Operation>> {
        let request = FileRequest::Operations;
        answer!(self.ask(permit, request, None).await?, FileAnswer::Operations { items } => Ok(items))
    }

    /// Cancels a running operation, or forgets one that has ended.
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
        let asked = node.handle(target.container.id, scoped(request, target.denied_files));
        Ok(store::elsewhere(asked).await?)
    }

    /// Sends a change to the host, runs `then` with its answer, and records the activity.
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
        deferred::run_to_completion(self.0, async move {
            let answer = node.handle(container.id, request).await?;
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
            let sent = store::elsewhere(node.write_file(container.id, request, body)).await;
            return upload_error::<A>(self.0, &actor, container.id, sent).await;
        };
        let gone = CancellationToken::new();
        let body = gate::until_disconnected(body, gone.clone());
        let _here = gone.drop_guard();
        let raptor = self.0.clone();
        deferred::run_to_completion(self.0, async move {
            let sent = node.write_file(container.id, request, body).await;
            let answer = upload_error::<A>(&raptor, &actor, container.id, sent).await?;
            raptor.containers().note(&actor, action, &container, detail).await?;
            Ok(answer)
        })
        .await
    }
}

/// The result of uploading content. If the permission was lost meanwhile, that is the error, and not a fault of the host.
async fn upload_error<A: Act<On = Visible>>(
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

/// The request with the patterns of files hidden from the actor.
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
