//! Templates from web addresses.

use crate::{
    support::Answered,
    world::{Person, World},
};
use raptor_client::api::{
    query::{ImportTemplate, ListActivity, ListTemplates},
    types::{
        FieldChange, ImportOutcome, OnExisting, OriginKind, RevisionAddress, TemplateAddress, TemplateId,
        TemplateImport, UploadKind,
    },
};
use raptor_core::{outbound::Outbound, roles::Builtin};
use serde_json::Value;
use std::net::IpAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const EGG: &str = include_str!("../../../raptor-core/tests/fixtures/eggs/openttd.json");

/// A web server at `address` that answers everything so.
pub async fn server(address: &str, answer: String) -> u16 {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 2_048]).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

pub fn page(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())
}

/// A world where 127.0.0.1 stands for a public address; all others of this machine are private.
async fn world() -> World {
    let public = |address: IpAddr| address == IpAddr::from([127, 0, 0, 1]);
    World::with(|builder| builder.outbound(Outbound::default().allowed(public))).await
}

/// The egg with another startup command.
fn newer() -> String {
    let mut newer: Value = serde_json::from_str(EGG).unwrap();
    newer["startup"] = "./openttd -D -n".into();
    newer.to_string()
}

fn fields(changes: &[FieldChange]) -> Vec<&str> {
    changes.iter().map(|change| change.field.as_str()).collect()
}

/// How the same template that is here already is dealt with.
fn existing(on_existing: OnExisting) -> ImportTemplate<'static> {
    ImportTemplate { on_existing: Some(on_existing), ..Default::default() }
}

#[tokio::test]
async fn a_template_is_imported_from_a_public_address() {
    let world = world().await;
    let admin = world.person(Builtin::Admin).await;
    let import = async |url: String| admin.import_template_from_url(&TemplateImport::new(url)).await;
    let egg = server("127.0.0.1", page(EGG)).await;
    let made = import(format!("http://127.0.0.1:{egg}/egg.json?token=hunter2")).await.done();
    assert_eq!(made.template.name, "OpenTTD");
    let activity = admin.list_activity(ListActivity::default()).await.done();
    assert!(
        activity.items.iter().any(|row| row.detail.get("from") == Some(&"127.0.0.1".into())),
        "{activity:?}"
    );
    let log = admin.get("/activity").await.text().await.unwrap();
    assert!(!log.contains("hunter2"), "{log}");

    let html = server("127.0.0.1", page("<!DOCTYPE html><html></html>")).await;
    let refused = import(format!("http://127.0.0.1:{html}/")).await.refused();
    assert!(refused.status == 422 && refused.detail.contains("web page"), "{refused:?}");

    let inner = server("127.0.0.2", page(EGG)).await;
    let to =
        format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{inner}/\r\nContent-Length: 0\r\n\r\n");
    let away = server("127.0.0.1", to).await;
    let refused = import(format!("http://127.0.0.1:{away}/")).await.refused();
    assert!(refused.status == 422 && refused.detail.contains("public addresses only"), "{refused:?}");
}

#[tokio::test]
async fn nothing_is_imported_from_this_machine_or_its_network() {
    let world = World::new().await;
    let admin = world.person(Builtin::Admin).await;
    let egg = server("127.0.0.1", page(EGG)).await;
    for url in [
        format!("http://127.0.0.1:{egg}/"),
        format!("http://localhost:{egg}/"),
        format!("http://[::ffff:7f00:1]:{egg}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://10.0.0.1/".into(),
        "file:///etc/passwd".into(),
    ] {
        let refused = admin.import_template_from_url(&TemplateImport::new(&url)).await.refused();
        assert_eq!((refused.status, refused.field.as_deref()), (422, Some("url")), "{url}: {refused:?}");
    }
    assert_eq!(admin.list_templates(ListTemplates::default()).await.done().items, []);
}

#[tokio::test]
async fn the_same_egg_again_is_refused_with_its_difference_at_hand_and_updates_or_stands_beside_when_asked() {
    let world = world().await;
    let admin = world.person(Builtin::Admin).await;
    let named = ImportTemplate { file_name: Some("eggs/openttd.json"), ..Default::default() };
    let made = admin.import_template(named, EGG).await.done();
    assert_eq!(made.outcome, ImportOutcome::Created);
    let origin = made.template.origin.unwrap();
    assert_eq!((origin.kind, origin.file.as_deref()), (OriginKind::File, Some("eggs/openttd.json")));

    let refused = admin.import_template(ImportTemplate::default(), newer()).await.refused();
    assert_eq!((refused.status, refused.code.as_str()), (409, "template_exists"), "{refused:?}");
    let preview = admin.preview_template(None, newer()).await.done();
    assert_eq!(preview.existing[0].template.id, made.template.id);
    assert_eq!(fields(&preview.existing[0].changes), ["startup"]);
    let update = ImportTemplate { kind: Some(UploadKind::Pasted), ..existing(OnExisting::Update) };
    let updated = admin.import_template(update, newer()).await.done();
    assert_eq!(updated.outcome, ImportOutcome::Revised);
    assert_eq!((updated.template.id, updated.template.revision), (made.template.id, 2));
    assert_eq!(updated.template.origin.unwrap().kind, OriginKind::Pasted);
    let beside = admin.import_template(existing(OnExisting::KeepBoth), EGG).await.done();
    assert_eq!(beside.outcome, ImportOutcome::Created);
    assert_eq!(admin.list_templates(ListTemplates::default()).await.done().items.len(), 2);
    let merge = admin.request(reqwest::Method::POST, "/templates/import?on_existing=merge").body(EGG);
    assert_eq!(merge.send().await.unwrap().status(), 422);
}

/// Why a revision from an address was refused.
async fn not_revised(admin: &Person<'_>, template: &TemplateId, body: &RevisionAddress) -> (u16, String) {
    let refused = admin.revise_template_from_url(template, body).await.refused();
    (refused.status, refused.code.to_string())
}

#[tokio::test]
async fn a_template_is_updated_from_an_address_only_to_the_file_that_was_looked_at() {
    let world = world().await;
    let admin = world.person(Builtin::Admin).await;
    let id = admin.import_template(ImportTemplate::default(), EGG).await.done().template.id;
    let source = TemplateAddress { template_id: Some(id), url: None };
    let refused = admin.preview_template_from_url(&source).await.refused();
    assert_eq!((refused.status, refused.code.as_str()), (409, "no_source"), "{refused:?}");

    let port = server("127.0.0.1", page(&newer())).await;
    let url = format!("http://127.0.0.1:{port}/egg.json");
    let source = TemplateAddress { url: Some(url.clone()), ..source };
    let preview = admin.preview_template_from_url(&source).await.done();
    assert_eq!(fields(&preview.existing[0].changes), ["startup"], "{preview:?}");
    let to = |sha256: String| RevisionAddress { url: Some(url.clone()), base: Some(1), sha256: Some(sha256) };
    let other = to("0".repeat(64));
    assert_eq!(not_revised(&admin, &id, &other).await, (409, "source_changed".to_owned()));
    let updated = admin.revise_template_from_url(&id, &to(preview.sha256)).await.done();
    assert_eq!(updated.template.revision, 2);
    assert_eq!(updated.template.origin.unwrap().address, Some(url.clone()));
    // Where it came from is known now.
    let known = |base: i64| RevisionAddress { base: Some(base), ..RevisionAddress::default() };
    let same = admin.revise_template_from_url(&id, &known(2)).await.done();
    assert_eq!(same.outcome, ImportOutcome::Unchanged);
    assert_eq!(not_revised(&admin, &id, &known(1)).await, (409, "template_changed".to_owned()));
}
