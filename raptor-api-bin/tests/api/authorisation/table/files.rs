//! Containers' files.

use super::{Row, public, takes, takes_all};
use crate::authorisation::fresh::Fresh;
use raptor_core::authz::ContainerPermission as C;
use serde_json::{Value, json};

pub fn rows() -> Vec<Row> {
    let rows = [folders(), trash(), operations(), content(), uploads(), links()].into_iter().flatten();
    rows.map(|row| row.on("data")).collect()
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
        takes("create_folder", "CreateFiles", C::FileCreate).json(json!({ "path": "/folder-{n}" })),
        change("move_files")
            .json(json!({ "moves": [{ "from": "{file}", "to": "/moved-{n}" }] }))
            .fresh(Fresh::File),
        change("set_files_mode").json(json!({ "paths": ["/a.txt"], "mode": 0o644 })),
    ]
}

fn trash() -> Vec<Row> {
    let delete = |operation| takes(operation, "DeleteFiles", C::FileDelete);
    vec![
        takes("list_trash", "ReadFiles", C::FileRead),
        delete("discard_files").json(json!({ "paths": ["{file}"] })).fresh(Fresh::File),
        delete("restore_files").json(json!({ "ids": ["{trash}"] })).fresh(Fresh::Trash),
        delete("empty_trash").json(json!({ "ids": ["{trash}"] })).fresh(Fresh::Trash),
    ]
}

fn operations() -> Vec<Row> {
    let start = |case: &'static str, action, permissions: &[C], task: Value| {
        // Where the machine is busy, those before it may not have ended.
        takes_all("start_file_operation", action, permissions)
            .case(case)
            .json(json!({ "task": task }))
            .or(409)
    };
    let copies = json!([{ "from": "/a.txt", "to": "/copy-{n}" }]);
    let archive =
        json!({ "type": "archive", "paths": ["/a.txt"], "to": "/archive-{n}.zip", "format": "zip" });
    let extract = |existing: &str| json!({ "type": "extract", "path": "/old.zip", "into": "/out", "existing": existing });
    vec![
        start("copy", "CreateFiles", &[C::FileCreate], json!({ "type": "copy", "copies": copies })),
        start("delete", "DeleteFiles", &[C::FileDelete], json!({ "type": "delete", "paths": ["{file}"] }))
            .fresh(Fresh::File),
        start(
            "pull",
            "CreateFiles",
            &[C::FileCreate],
            json!({ "type": "pull", "url": "{url}", "into": "/", "name": "pulled-{n}" }),
        ),
        start("archive", "ArchiveFiles", &[C::FileArchive, C::FileCreate], archive),
        start("extract", "ArchiveFiles", &[C::FileArchive, C::FileCreate], extract("skip")),
        start(
            "extract over",
            "UnpackOverFiles",
            &[C::FileUpdate, C::FileArchive, C::FileCreate],
            extract("replace"),
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
    let whole = |replace: bool| json!({ "path": "/sent-{n}", "size_bytes": 4, "replace": replace });
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
        takes("link_files", "ReadFileContent", C::FileReadContent).json(json!({ "paths": ["/a.txt"] })),
        public("download").query("token={link}"),
    ]
}
