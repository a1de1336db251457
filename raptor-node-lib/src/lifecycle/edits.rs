//! Editing a container's configuration files before it starts.

use crate::{desired::StateFolder, files::Root};
use raptor_model::{
    configfiles::{self, Memory},
    templates::ConfigFile,
};

/// Edits the files. Files that can't be edited are left as they are; the result has a sentence for each. `started`: whether an
/// earlier start may have edited them.
pub(super) fn edit(
    root: &Root,
    state: &StateFolder,
    files: Vec<ConfigFile>,
    gateway: Option<&str>,
    started: bool,
) -> Vec<String> {
    let mut memory = state.memory().unwrap_or_else(|| Memory::new(started));
    let files = files.into_iter().filter_map(|file| {
        let path = file.path.clone();
        one(root, state, file, gateway, &mut memory)
            .err()
            .map(|why| format!("The file {path} was not edited: {}.", why.trim_end_matches('.')))
    });
    files.collect()
}

fn one(
    root: &Root,
    state: &StateFolder,
    mut file: ConfigFile,
    gateway: Option<&str>,
    memory: &mut Memory,
) -> Result<(), String> {
    for edit in &mut file.edits {
        if let serde_json::Value::String(value) = &mut edit.value {
            for name in ["{{config.docker.interface}}", "{{config.docker.network.interface}}"] {
                *value = value.replace(name, gateway.unwrap_or("127.0.0.1"));
            }
        }
    }
    let bytes = root.read_config(&file.path).map_err(|error| error.to_string())?;
    let before = memory.clone();
    let present = bytes.as_deref().unwrap_or_default();
    let known = memory.file(&file.path, !present.is_empty());
    let edited =
        configfiles::apply(file.parser, present, &file.edits, known).map_err(|error| error.to_string())?;
    // Stored before writing: a value that is written but not remembered would be taken for the file's own.
    if *memory != before {
        state.keep_memory(memory).map_err(|error| format!("what was written can't be recorded: {error}"))?;
    }
    if bytes.as_ref() == Some(&edited) {
        return Ok(());
    }
    root.write_text(&file.path, &edited).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use raptor_model::{
        id::ContainerId,
        templates::{ConfigEdit, ConfigParser},
    };
    use std::{fs, path::Path};

    fn edits(parser: ConfigParser, path: &str, pairs: &[(&str, &str)]) -> Vec<ConfigFile> {
        let edit = |(key, value): &(&str, &str)| ConfigEdit {
            key: (*key).into(),
            if_value: None,
            value: (*value).into(),
        };
        vec![ConfigFile { path: path.into(), parser, edits: pairs.iter().map(edit).collect() }]
    }

    /// A start by a daemon that knows only what is on disk.
    fn start(base: &Path, files: Vec<ConfigFile>) -> Vec<String> {
        let data = base.join("data");
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let root = Root::open(&data, uid, gid).unwrap();
        let id = "018f0000-0000-7000-8000-000000000001".parse::<ContainerId>().unwrap();
        edit(&root, &StateFolder::new(base, id), files, None, false)
    }

    #[test]
    fn a_file_that_is_no_utf8_is_edited_before_the_start() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("data")).unwrap();
        let file = base.path().join("data/server.properties");
        fs::write(&file, b"motd=\xa7aHi\nserver-port=9\n").unwrap();
        let problems =
            start(base.path(), edits(ConfigParser::Properties, "server.properties", &[("server-port", "1")]));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(fs::read(&file).unwrap(), b"motd=\xa7aHi\nserver-port=1\n");
    }

    #[test]
    fn what_the_files_encoding_lacks_is_said_and_leaves_it_as_it_is() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("data")).unwrap();
        let file = base.path().join("data/server.cfg");
        let bytes = b"// Serveur de J\xe9r\xf4me\nrcon_password \"old\"\n";
        fs::write(&file, bytes).unwrap();
        let password = [("rcon_password", "rcon_password \"\u{65e5}\"")];
        let problems = start(base.path(), edits(ConfigParser::File, "server.cfg", &password));
        let said = "The file server.cfg was not edited: it is windows-1252 text, which can't hold \"\u{65e5}\". Save it as UTF-8 or choose another value.";
        assert_eq!(problems, [said]);
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }

    #[test]
    fn what_was_written_is_remembered_by_the_next_daemon() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("data")).unwrap();
        let file = base.path().join("data/a.ini");
        fs::write(&file, "[s]\nname=\"x\"\npassword=\"y\"\nport=1 ; the port\n").unwrap();
        let values = |name, password, port| {
            edits(ConfigParser::Ini, "a.ini", &[("s.name", name), ("s.password", password), ("s.port", port)])
        };
        assert!(start(base.path(), values("Best # 1 server", "old ;secret", "2")).is_empty());
        assert!(start(base.path(), values("Calm", "new", "3")).is_empty());
        assert_eq!(fs::read_to_string(&file).unwrap(), "[s]\nname=Calm\npassword=new\nport=3 ; the port\n");
    }
}
