//! Which power actions somebody is offered: those that are accepted, and no others.

use crate::world::{World, on_both, see, until};
use futures_util::StreamExt;
use raptor_core::{
    Error,
    authz::{
        Actor, ContainerPermission as P,
        actions::{
            GrantAccess, KillContainer, RestartContainer, SeeContainer, StartContainer, StopContainer,
            SuspendContainer, UpdateAccess,
        },
    },
    containers::{Level, access::AccessChange, lifecycle::Phase, service::NewContainer},
    id::{ContainerId, UserId},
    live::SharedFrame,
    node::{
        LiveFrame,
        PowerAction::{self, Kill, Restart, Start, Stop},
        Since,
    },
    roles::Builtin,
};
use std::time::Duration;

/// Somebody with a container that is offline, and its daemon connected.
async fn offline(world: &World) -> (Actor, ContainerId) {
    let steve = world.user("steve", Builtin::User).await.id;
    world.daemon("one", "30000-30009").await;
    let template = world.template().await.id;
    let new =
        NewContainer { owner_id: Some(steve), skip_install: true, ..NewContainer::new("Trains", template) };
    let id = world.container(new).await.unwrap();
    let steve = world.signed_in("steve").await.1;
    come_to(world, &steve, id, Phase::Offline).await;
    (steve, id)
}

async fn come_to(world: &World, actor: &Actor, id: ContainerId, phase: Phase) {
    until("it comes to its phase", async || {
        let live = see(&world.raptor, actor, id).await.unwrap().summary.live;
        live.known && live.phase == phase
    })
    .await;
}

async fn attempt(world: &World, actor: &Actor, id: ContainerId, action: PowerAction) -> Result<(), Error> {
    let (authz, containers) = (world.raptor.authz(), world.raptor.containers());
    match action {
        Start => containers.start(authz.permit::<StartContainer>(actor, id).await?).await,
        Stop => containers.stop(authz.permit::<StopContainer>(actor, id).await?).await,
        Restart => containers.restart(authz.permit::<RestartContainer>(actor, id).await?).await,
        Kill => containers.kill(authz.permit::<KillContainer>(actor, id).await?).await,
    }
}

async fn suspend(world: &World, id: ContainerId, suspended: bool) {
    let permit = world.raptor.authz().permit::<SuspendContainer>(&Actor::System, id).await.unwrap();
    world.raptor.containers().set_suspended(permit, suspended).await.unwrap();
}

async fn actions(world: &World, actor: &Actor, id: ContainerId) -> Vec<PowerAction> {
    see(&world.raptor, actor, id).await.unwrap().summary.actions
}

fn custom(permissions: &[P]) -> AccessChange {
    let permissions = permissions.iter().copied().collect();
    AccessChange { level: Level::Custom, permissions, denied_files: None }
}

#[tokio::test]
async fn the_power_actions_that_are_offered_are_those_that_are_accepted() {
    on_both(|world| async move {
        let (steve, id) = offline(&world).await;
        for phase in [Phase::Offline, Phase::Running] {
            for action in PowerAction::ALL {
                if phase == Phase::Running {
                    attempt(&world, &steve, id, Start).await.unwrap();
                    come_to(&world, &steve, id, Phase::Running).await;
                }
                let offered = actions(&world, &steve, id).await.contains(&action);
                let accepted = attempt(&world, &steve, id, action).await;
                assert_eq!(offered, accepted.is_ok(), "{action:?} while {phase:?}: {accepted:?}");
                // Back to where the next one begins. What was accepted has not happened yet.
                if phase == Phase::Running || accepted.is_ok() {
                    if matches!(action, Start | Restart) {
                        come_to(&world, &steve, id, Phase::Running).await;
                        attempt(&world, &steve, id, Kill).await.unwrap();
                    }
                    come_to(&world, &steve, id, Phase::Offline).await;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_offered_that_rights_suspension_or_an_absent_daemon_forbid() {
    on_both(|world| async move {
        let (steve, id) = offline(&world).await;
        assert_eq!(actions(&world, &steve, id).await, [Start, Restart]);
        world.user("mia", Builtin::User).await;
        let permit = world.raptor.authz().permit::<GrantAccess>(&steve, id).await.unwrap();
        let wanted = custom(&[P::ConsoleRead, P::PowerStop, P::PowerStart]);
        world.raptor.containers().grant(permit, "mia", wanted).await.unwrap();
        let mia = world.signed_in("mia").await.1;
        assert_eq!(actions(&world, &mia, id).await, [Start]);
        assert!(matches!(attempt(&world, &mia, id, Restart).await, Err(Error::Forbidden { .. })));

        suspend(&world, id, true).await;
        assert_eq!(actions(&world, &steve, id).await, []);
        assert!(matches!(attempt(&world, &steve, id, Start).await, Err(Error::Refused(_))));
        suspend(&world, id, false).await;

        let daemon_id = Some(world.daemon("away", "30000").await.id);
        let template = world.template().await.id;
        let new = NewContainer {
            owner_id: steve.user_id(),
            daemon_id,
            skip_install: true,
            ..NewContainer::new("Ships", template)
        };
        let away = world.container(new).await.unwrap();
        assert_eq!(actions(&world, &steve, away).await, []);
        assert!(matches!(attempt(&world, &steve, away, Start).await, Err(Error::Unavailable { .. })));
    })
    .await;
}

/// The next actions that the stream tells.
async fn told(frames: &mut (impl StreamExt<Item = SharedFrame> + Unpin)) -> Vec<PowerAction> {
    let next = async {
        loop {
            if let LiveFrame::Actions { actions } = &*frames.next().await.unwrap() {
                return actions.clone();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), next).await.unwrap()
}

#[tokio::test]
async fn a_live_stream_tells_the_actions_with_each_phase_and_when_rights_or_suspension_change() {
    on_both(|world| async move {
        let (steve, id) = offline(&world).await;
        let mia: UserId = world.user("mia", Builtin::User).await.id;
        let permit = world.raptor.authz().permit::<GrantAccess>(&steve, id).await.unwrap();
        let some = custom(&[P::PowerStart, P::PowerStop]);
        world.raptor.containers().grant(permit, "mia", some).await.unwrap();
        let reader = world.signed_in("mia").await.1;
        let permit = world.raptor.authz().permit::<SeeContainer>(&reader, id).await.unwrap();
        let mut live = world.raptor.containers().live(permit, Since::Tail(0)).await.unwrap();
        assert_eq!(told(&mut live.frames).await, [Start]);

        attempt(&world, &steve, id, Start).await.unwrap();
        assert_eq!(told(&mut live.frames).await, [Stop]);

        let permit = world.raptor.authz().permit::<UpdateAccess>(&steve, id).await.unwrap();
        let more = custom(&[P::PowerStart, P::PowerStop, P::PowerKill]);
        world.raptor.containers().change_access(permit, mia, more).await.unwrap();
        assert_eq!(told(&mut live.frames).await, [Stop, Kill]);

        attempt(&world, &steve, id, Kill).await.unwrap();
        assert_eq!(told(&mut live.frames).await, [Start]);
        suspend(&world, id, true).await;
        assert_eq!(told(&mut live.frames).await, []);
        suspend(&world, id, false).await;
        assert_eq!(told(&mut live.frames).await, [Start]);
    })
    .await;
}
