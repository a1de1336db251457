//! What calls use up, made anew for each.

use super::{
    scene::{KEYS, STRAYS, Scene, egg, soon},
    table::Ids,
    who::Who,
};
use crate::support::{Answered, bodies};
use raptor_client::api::{
    query::{ListAllocations, ReviseTemplate},
    types::{
        AccessGrant, ContainerId, DaemonId, FileMove, FilePath, FileTask, FileTaskRequest, Level, NewUpload,
        PathList, RegistryDraft, SshKeyDraft,
    },
};
use std::sync::atomic::Ordering;

/// What a call uses up.
#[derive(Clone, Copy, Debug)]
pub enum Fresh {
    /// The session that calls.
    Session,
    /// Another session of the caller's.
    OtherSession,
    /// A key of the caller's.
    SshKey,
    User,
    Role,
    Daemon,
    Registry,
    Stray,
    Allocation,
    Template,
    /// A catalogue entry's template that was changed since.
    EditedEntry,
    Container,
    /// A guest with this permission.
    Member(&'static str),
    /// A guest without access.
    NoMember,
    File,
    Trash,
    /// A file operation that has ended.
    Operation,
    Upload,
    /// An upload of which nothing is missing.
    WholeUpload,
}

impl Scene {
    /// Makes what the next call of `who` uses up.
    pub async fn prepare(&self, fresh: Fresh, who: &Who) -> Ids {
        let n = self.next();
        let caller = self.world.holding(who.token.clone());
        let (key, value) = match fresh {
            Fresh::Session => ("token", self.world.sign_in(&who.name).await.token.unwrap()),
            Fresh::OtherSession => {
                let sessions = self.world.sign_in(&who.name).await.list_sessions().await.done();
                ("session", sessions.items.iter().find(|one| one.current).unwrap().id.to_string())
            }
            Fresh::SshKey => {
                let key = caller.add_ssh_key(&SshKeyDraft::new(KEYS[1])).await.done();
                ("ssh_key", key.id.to_string())
            }
            Fresh::User => ("user", self.user(&format!("u{n}"), self.id("no_rights")).await),
            Fresh::Role => {
                let role = self.admin().create_role(&bodies::a_role(&format!("role {n}"), &[])).await.done();
                ("role", role.id.to_string())
            }
            Fresh::Daemon => ("daemon", self.daemon(&format!("spare{n}")).await.to_string()),
            Fresh::Registry => {
                let host = format!("r{n}.example.com");
                let login = RegistryDraft { host, username: "a".into(), password: "b".into() };
                ("registry", self.admin().save_registry(&login).await.done().id.to_string())
            }
            Fresh::Stray => {
                let next = self.strays_used.fetch_add(1, Ordering::Relaxed);
                assert!(next < STRAYS, "there are more calls than strays");
                ("container_id", self.strays().await.pop().unwrap())
            }
            Fresh::Allocation => ("allocation", self.allocation(n).await),
            Fresh::Template => {
                let import = self.import(egg(&format!("Spare {n}"), "./run")).await;
                ("template", import.template.id.to_string())
            }
            Fresh::EditedEntry => {
                let (template, edited) = (self.typed("entry_template"), egg("Edited", "./run"));
                let revised =
                    self.admin().revise_template(&template, ReviseTemplate::default(), edited).await;
                ("edited", revised.done().template.id.to_string())
            }
            Fresh::Container => {
                let container = self.container("one", 0).await;
                self.grant(&container, who).await;
                ("container", container.to_string())
            }
            Fresh::Member(permission) => {
                let access = AccessGrant {
                    permissions: bodies::names(&[permission]),
                    ..bodies::access("guest", Level::Custom)
                };
                self.admin().grant_access(&self.typed("main"), &access).await.done();
                ("member", "guest".into())
            }
            Fresh::NoMember => {
                // Where there is none, that is refused.
                let _ = self.admin().revoke_access(&self.typed("main"), &self.typed("user_id")).await;
                ("member", "guest".into())
            }
            Fresh::File | Fresh::Trash | Fresh::Operation | Fresh::Upload | Fresh::WholeUpload => {
                self.prepare_file(fresh, n).await
            }
        };
        Ids::from([(key.to_owned(), value)])
    }

    async fn allocation(&self, n: usize) -> String {
        let (daemon, port): (DaemonId, _) = (self.typed("idle"), (20_000 + n).to_string());
        self.admin().create_allocations(&daemon, &bodies::allocations("192.0.2.9", &port)).await.done();
        let search = ListAllocations { search: Some(&port), ..Default::default() };
        self.admin().list_allocations(&daemon, search).await.done().items[0].id.to_string()
    }

    async fn prepare_file(&self, fresh: Fresh, n: usize) -> (&'static str, String) {
        let (admin, data): (_, ContainerId) = (self.admin(), self.typed("data"));
        let name = FilePath(format!("/file-{n}"));
        let here = self.folder.path().join("containers").join(self.id("data")).join(format!("file-{n}"));
        let begin = async || admin.begin_upload(&data, &NewUpload::new(name.clone(), 4)).await.done().id;
        match fresh {
            Fresh::Upload => ("upload_id", begin().await.to_string()),
            Fresh::WholeUpload => {
                let upload = begin().await;
                admin.send_piece(&data, &upload, 0, "text").await.done();
                ("upload_id", upload.to_string())
            }
            Fresh::Operation => {
                let copies = vec![FileMove { from: FilePath("/a.txt".into()), to: name }];
                let task = FileTaskRequest { task: FileTask::Copy { copies } };
                let mut begun = None;
                let begins = async || {
                    let answer = admin.start_file_operation(&data, &task).await;
                    let free = answer.as_ref().err().and_then(|error| error.status())
                        != Some(reqwest::StatusCode::CONFLICT);
                    if free {
                        begun = Some(answer.done().id);
                    }
                    free
                };
                soon("others have ended", begins).await;
                ("operation_id", begun.unwrap().to_string())
            }
            Fresh::Trash => {
                std::fs::write(here, "text").unwrap();
                let trash = admin.discard_files(&data, &PathList { paths: vec![name] }).await.done();
                ("trash", trash.items[0].id.to_string())
            }
            _ => {
                std::fs::write(here, "text").unwrap();
                ("file", name.to_string())
            }
        }
    }
}
