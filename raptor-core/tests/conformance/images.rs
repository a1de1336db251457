//! The images that containers may use: the template's, those on the list, and those that an administrator chose.

use crate::world::{World, on_both, see, until};
use raptor_core::{
    Error,
    auth::Origin,
    authz::{
        Actor,
        actions::{
            MoveTemplate, ReadImagePolicy, ReadTemplate, RestartContainer, StartContainer, StopContainer,
            UpdateImagePolicy, UpdateStartup, UpdateTemplate,
        },
    },
    containers::{
        lifecycle::Phase,
        service::{NewContainer, StartupChange},
    },
    id::ContainerId,
    images::ImageStanding,
    node::Node,
    roles::Builtin,
};
use std::collections::BTreeMap;

const YOLK: &str = "ghcr.io/pterodactyl/yolks:java_21";
const YOLKS: &[&str] = &["ghcr.io/pterodactyl/yolks:*"];

/// Steve's container of the template, on the host `one`.
struct Scene {
    world: World,
    id: ContainerId,
    steve: Actor,
    /// The image that the template names.
    offered: String,
}

impl Scene {
    async fn new(world: World) -> Self {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let template = world.template().await;
        let new = NewContainer {
            owner_id: Some(steve),
            skip_install: true,
            ..NewContainer::new("Trains", template.id)
        };
        let id = world.container(new).await.unwrap();
        let steve = world.raptor.auth().vouch(steve, &Origin::default()).await.unwrap();
        Self { world, id, steve, offered: template.document.images[0].image.clone() }
    }

    async fn allow(&self, patterns: &[&str], for_owners: bool) {
        let (images, authz) = (self.world.raptor.images(), self.world.raptor.authz());
        let permit = authz.allow::<ReadImagePolicy>(&Actor::System).unwrap();
        let revision = images.policy(permit).await.unwrap().revision;
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let permit = authz.allow::<UpdateImagePolicy>(&Actor::System).unwrap();
        let now = images.update(permit, &patterns, for_owners, revision).await.unwrap();
        assert_eq!(now.revision, revision + 1);
    }

    async fn choose(&self, actor: &Actor, image: &str) -> Result<(), Error> {
        let permit = self.world.raptor.authz().permit::<UpdateStartup>(actor, self.id).await?;
        let change =
            StartupChange { image: Some(image.to_owned()), startup: None, variables: BTreeMap::new() };
        self.world.raptor.containers().set_startup(permit, change).await
    }

    /// Its image, why that is allowed, and who allowed it.
    async fn image(&self) -> (String, ImageStanding, Option<String>) {
        let raptor = &self.world.raptor;
        let seen = see(raptor, &self.steve, self.id).await.unwrap();
        (seen.summary.image, seen.image_standing, seen.image_allowed_by)
    }

    async fn start(&self) -> Result<(), Error> {
        let permit = self.world.raptor.authz().permit::<StartContainer>(&self.steve, self.id).await?;
        self.world.raptor.containers().start(permit).await
    }

    async fn restart(&self) -> Result<(), Error> {
        let permit = self.world.raptor.authz().permit::<RestartContainer>(&self.steve, self.id).await?;
        self.world.raptor.containers().restart(permit).await
    }

    async fn phase(&self, phase: Phase) {
        until("it is in that phase", || async {
            let seen = see(&self.world.raptor, &Actor::System, self.id).await;
            seen.is_ok_and(|seen| seen.summary.live.phase == phase)
        })
        .await;
    }

    async fn stop(&self) {
        let permit = self.world.raptor.authz().permit::<StopContainer>(&self.steve, self.id).await.unwrap();
        self.world.raptor.containers().stop(permit).await.unwrap();
        self.phase(Phase::Offline).await;
    }

    /// Waits until the host knows whether the image is refused.
    async fn declared(&self, refused: bool) {
        let host = self.world.hosts.of("one");
        until("the host is told", || async {
            host.declared(self.id).await.is_ok_and(|spec| spec.image_refused.is_some() == refused)
        })
        .await;
    }
}

#[tokio::test]
async fn owners_choose_from_the_template_and_from_the_list_where_an_administrator_lets_them() {
    on_both(|world| async move {
        let scene = Scene::new(world).await;
        assert_eq!(scene.image().await, (scene.offered.clone(), ImageStanding::Template, None));
        let refused = scene.choose(&scene.steve, YOLK).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field, .. } if field == "image"));
        assert_eq!(refused.to_string(), "Use one of the template's images.");
        // On the list, but not for owners.
        scene.allow(YOLKS, false).await;
        assert_eq!(scene.choose(&scene.steve, YOLK).await.unwrap_err().code(), "invalid");
        scene.allow(YOLKS, true).await;
        let other = scene.choose(&scene.steve, "ghcr.io/pterodactyl/games:source").await.unwrap_err();
        assert_eq!(
            other.to_string(),
            "Use one of the template's images, or one from the list of allowed images."
        );
        scene.choose(&scene.steve, YOLK).await.unwrap();
        assert_eq!(scene.image().await, (YOLK.to_owned(), ImageStanding::Listed, None));
        scene.choose(&scene.steve, &scene.offered).await.unwrap();
        assert_eq!(scene.image().await.1, ImageStanding::Template);
    })
    .await;
}

#[tokio::test]
async fn an_image_that_is_no_longer_allowed_is_refused_before_the_start_and_a_restart_stops_nothing() {
    on_both(|world| async move {
        let scene = Scene::new(world).await;
        scene.allow(YOLKS, true).await;
        scene.choose(&scene.steve, YOLK).await.unwrap();
        scene.start().await.unwrap();
        scene.phase(Phase::Running).await;

        scene.allow(&["docker.io/library/*"], true).await;
        scene.declared(true).await;
        scene.phase(Phase::Running).await;
        let refused = scene.restart().await.unwrap_err();
        assert_eq!(refused.code(), "image_not_allowed");
        assert_eq!(
            refused.to_string(),
            format!("The image {YOLK} is neither one of the template's images nor on the list of allowed images. Choose another image on the Startup page, or ask an administrator to allow this one.")
        );
        scene.phase(Phase::Running).await;
        scene.stop().await;
        assert_eq!(scene.start().await.unwrap_err().code(), "image_not_allowed");
        assert_eq!(scene.image().await.1, ImageStanding::Refused);

        // Both ways to resolve it.
        scene.choose(&Actor::System, YOLK).await.unwrap();
        scene.start().await.unwrap();
        scene.phase(Phase::Running).await;
        scene.stop().await;
        scene.choose(&scene.steve, &scene.offered).await.unwrap();
        scene.start().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_starts_by_itself_is_refused_by_the_host_until_the_image_is_allowed_again() {
    on_both(|world| async move {
        let scene = Scene::new(world).await;
        scene.allow(YOLKS, true).await;
        scene.choose(&scene.steve, YOLK).await.unwrap();
        scene.start().await.unwrap();
        scene.phase(Phase::Running).await;
        scene.allow(&[], true).await;
        scene.declared(true).await;
        scene.world.hosts.of("one").crash(scene.id, 1, ["Out of luck".to_owned()]).unwrap();
        until("the host says why it does not start again, and has given up", || async {
            let live = see(&scene.world.raptor, &Actor::System, scene.id).await.unwrap().summary.live;
            live.crashes.is_some_and(|crashes| crashes.quarantined)
                && live.problem.is_some_and(|why| why.contains("list of allowed images"))
        })
        .await;
        scene.allow(YOLKS, true).await;
        scene.declared(false).await;
        scene.start().await.unwrap();
        scene.phase(Phase::Running).await;
    })
    .await;
}

#[tokio::test]
async fn a_revision_that_no_longer_names_the_image_is_refused_to_owners_and_an_administrators_move_is_recorded()
 {
    on_both(|world| async move {
        let scene = Scene::new(world).await;
        scene.world.user("root", Builtin::Admin).await;
        let (_, root) = scene.world.signed_in("root").await;
        let (raptor, authz) = (&scene.world.raptor, scene.world.raptor.authz());
        let template_id = see(raptor, &scene.steve, scene.id).await.unwrap().summary.template.id;
        let permit = authz.permit::<ReadTemplate>(&Actor::System, template_id).await.unwrap();
        let template = raptor.templates().get(permit).document;
        let mut document = raptor_core::templates::export::to_own(&template);
        document["images"] = serde_json::json!([]);
        let permit = authz.permit::<UpdateTemplate>(&Actor::System, template_id).await.unwrap();
        let made =
            raptor.templates().revise(permit, document.to_string().as_bytes(), None, None).await.unwrap();
        let to = made.template.revision;
        let move_by = async |actor: &Actor| {
            let permit = authz.permit::<MoveTemplate>(actor, scene.id).await.unwrap();
            raptor.containers().move_template(permit, to, BTreeMap::new()).await
        };
        let refused = move_by(&scene.steve).await.unwrap_err();
        assert_eq!(refused.code(), "image_not_allowed");
        let stays = see(raptor, &scene.steve, scene.id).await.unwrap();
        assert_eq!((stays.template_revision, stays.summary.image.as_str()), (1, scene.offered.as_str()));
        move_by(&root).await.unwrap();
        let (image, _, allowed_by) = scene.image().await;
        assert_eq!((image, allowed_by.as_deref()), (scene.offered.clone(), Some("root")));
        scene.start().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_an_administrator_chose_stays_allowed_however_the_list_changes() {
    on_both(|world| async move {
        let scene = Scene::new(world).await;
        scene.world.user("root", Builtin::Admin).await;
        let (_, root) = scene.world.signed_in("root").await;
        scene.choose(&root, "registry.example.com/own/image:1").await.unwrap();
        let allowed = Some("root".to_owned());
        let image = "registry.example.com/own/image:1".to_owned();
        assert_eq!(scene.image().await, (image, ImageStanding::Chosen, allowed.clone()));
        scene.start().await.unwrap();
        scene.phase(Phase::Running).await;
        scene.stop().await;
        // The image is on the list as well, and the choice stays valid after the list is changed.
        scene.allow(YOLKS, true).await;
        scene.choose(&root, YOLK).await.unwrap();
        scene.allow(&[], false).await;
        assert_eq!(scene.image().await, (YOLK.to_owned(), ImageStanding::Chosen, allowed));
        scene.start().await.unwrap();
        scene.phase(Phase::Running).await;
        // The owner keeps it when other settings are saved, but can't return to it after another choice.
        scene.choose(&scene.steve, YOLK).await.unwrap();
        scene.choose(&scene.steve, &scene.offered).await.unwrap();
        assert_eq!(scene.image().await.2, None);
        assert_eq!(scene.choose(&scene.steve, YOLK).await.unwrap_err().code(), "invalid");
    })
    .await;
}

#[tokio::test]
async fn a_malformed_image_is_refused_for_administrators_too_and_a_list_that_changed_meanwhile_stays() {
    on_both(|world| async move {
        let scene = Scene::new(world).await;
        for image in ["", "debian:a:b", "ghcr.io/", "http://ghcr.io/a/b", "ghcr.io/Owner/name", "deb ian"] {
            let refused = scene.choose(&Actor::System, image).await.unwrap_err();
            assert!(matches!(&refused, Error::Invalid { field, .. } if field == "image"), "{image}");
        }
        let (images, authz) = (scene.world.raptor.images(), scene.world.raptor.authz());
        let permit = || authz.allow::<UpdateImagePolicy>(&Actor::System).unwrap();
        let refused =
            images.update(permit(), &["debian".into(), "*/debian".into()], true, 1).await.unwrap_err();
        assert!(matches!(&refused, Error::Invalid { field, .. } if field == "patterns.1"), "{refused}");
        scene.allow(YOLKS, true).await;
        let stale = images.update(permit(), &[], false, 1).await.unwrap_err();
        assert_eq!(stale.code(), "changed_meanwhile");
        let read = authz.allow::<ReadImagePolicy>(&Actor::System).unwrap();
        let policy = images.policy(read).await.unwrap();
        assert_eq!((policy.patterns[0].text(), policy.for_owners), (YOLKS[0], true));
        assert!(authz.allow::<UpdateImagePolicy>(&scene.steve).is_err());
        scene.world.user("mara", Builtin::Manager).await;
        let (_, mara) = scene.world.signed_in("mara").await;
        assert!(authz.allow::<UpdateImagePolicy>(&mara).is_err(), "that takes images.update");
        assert!(authz.allow::<ReadImagePolicy>(&mara).is_ok());
    })
    .await;
}
