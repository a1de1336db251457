//! Containers' files.

use super::{Row, public, takes, takes_all, there};
use crate::authorisation::fresh::Fresh;
use raptor_client::api::types::{
    ArchiveFormat, EmptyTrash, Existing, FileMove, FileMoves, FilePath, FileTask, FileTaskRequest, FilesMode,
    NewFolder, NewLink, NewUpload, PathList, RestoreFiles,
};
use raptor_core::authz::ContainerPermission as C;

pub fn rows() -> Vec<Row> {
    let rows = [folders(), trash(), operations(), content(), uploads(), links()].into_iter().flatten();
    rows.map(|row| row.on("data")).collect()
}

fn at(path: &str) -> FilePath {
    FilePath(path.into())
}

fn folders() -> Vec<Row> {
    let read = |operation| takes(operation, "ReadFiles", C::FileRead);
    let open = |operation| takes(operation, "ReadFileContent", C::FileReadContent);
    let change = |operation| takes(operation, "UpdateFiles", C::FileUpdate);
    vec![
        read("list_files"),
        read("get_file").query("path=/a.txt"),
        read("measure_folder").query("path=/"),
        read("list_file_operations"),
        read("search_files").query("name=a"),
        open("search_files").case("by what is in them").query("content=text"),
        open("get_file_checksum").query("path=/a.txt"),
        open("list_file_versions").query("path=/a.txt"),
        takes("create_folder", "CreateFiles", C::FileCreate).json(NewFolder { path: at("/folder-{n}") }),
        change("move_files")
            .json(FileMoves::new(vec![FileMove { from: at("{file}"), to: at("/moved-{n}") }]))
            .fresh(Fresh::File),
        change("set_files_mode").json(FilesMode { paths: vec![at("/a.txt")], mode: 0o644 }),
    ]
}

fn trash() -> Vec<Row> {
    let delete = |operation| takes(operation, "DeleteFiles", C::FileDelete);
    vec![
        takes("list_trash", "ReadFiles", C::FileRead),
        delete("discard_files").json(PathList { paths: vec![at("{file}")] }).fresh(Fresh::File),
        delete("restore_files").json(RestoreFiles { ids: vec![there("trash")] }).fresh(Fresh::Trash),
        delete("empty_trash").json(EmptyTrash { ids: Some(vec![there("trash")]) }).fresh(Fresh::Trash),
    ]
}

fn operations() -> Vec<Row> {
    let start = |case: &'static str, action, permissions: &[C], task: FileTask| {
        // Where the machine is busy, those before it may not have ended.
        takes_all("start_file_operation", action, permissions)
            .case(case)
            .json(FileTaskRequest { task })
            .or(409)
    };
    let copies = vec![FileMove { from: at("/a.txt"), to: at("/copy-{n}") }];
    let (paths, to) = (vec![at("/a.txt")], at("/archive-{n}.zip"));
    let archive = FileTask::Archive { paths, to, format: ArchiveFormat::Zip };
    let pull = FileTask::Pull { url: "{url}".into(), into: at("/"), name: Some("pulled-{n}".into()) };
    let extract = |existing| FileTask::Extract {
        path: at("/old.zip"),
        into: at("/out"),
        existing: Some(existing),
        encoding: None,
    };
    vec![
        start("copy", "CreateFiles", &[C::FileCreate], FileTask::Copy { copies }),
        start("delete", "DeleteFiles", &[C::FileDelete], FileTask::Delete { paths: vec![at("{file}")] })
            .fresh(Fresh::File),
        start("pull", "CreateFiles", &[C::FileCreate], pull),
        start("archive", "ArchiveFiles", &[C::FileArchive, C::FileCreate], archive),
        start("extract", "ArchiveFiles", &[C::FileArchive, C::FileCreate], extract(Existing::Skip)),
        start(
            "extract over",
            "UnpackOverFiles",
            &[C::FileUpdate, C::FileArchive, C::FileCreate],
            extract(Existing::Replace),
        ),
        takes("cancel_file_operation", "CreateFiles", C::FileCreate).fresh(Fresh::Operation),
    ]
}

fn content() -> Vec<Row> {
    let open = |operation| takes(operation, "ReadFileContent", C::FileReadContent);
    vec![
        open("read_file").query("path=/a.txt"),
        open("read_text").query("path=/a.txt"),
        takes("write_file", "UpdateFiles", C::FileUpdate).query("path=/written.txt").bytes("text"),
        takes("write_file", "CreateFiles", C::FileCreate)
            .case("that is new")
            .query("path=/new-{n}&etag=")
            .bytes("text"),
        takes("write_text", "UpdateFiles", C::FileUpdate)
            .query("path=/text.txt&encoding=utf-8")
            .bytes("text"),
    ]
}

fn uploads() -> Vec<Row> {
    let create = |operation| takes(operation, "CreateFiles", C::FileCreate);
    let replace = |operation| takes_all(operation, "ReplaceFiles", &[C::FileCreate, C::FileUpdate]);
    let whole = |replace| NewUpload { replace: Some(replace), ..NewUpload::new(at("/sent-{n}"), 4) };
    vec![
        create("upload_file").query("path=/up-{n}&size_bytes=4").bytes("text"),
        replace("upload_file")
            .case("over another")
            .query("path=/over&size_bytes=4&replace=true")
            .bytes("text"),
        create("begin_upload").json(whole(false)),
        replace("begin_upload").case("over another").json(whole(true)),
        create("get_upload").fresh(Fresh::Upload),
        create("send_piece").query("offset=0").bytes("text").fresh(Fresh::Upload),
        create("finish_upload").fresh(Fresh::WholeUpload),
        create("abort_upload").fresh(Fresh::Upload),
    ]
}

fn links() -> Vec<Row> {
    vec![
        takes("link_files", "ReadFileContent", C::FileReadContent).json(NewLink::new(vec![at("/a.txt")])),
        public("download").query("token={link}"),
    ]
}
