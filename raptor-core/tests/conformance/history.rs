//! Console history: output and commands.

use crate::world::{World, on_both, see, until, wanted};
use raptor_core::{
    Error,
    auth::Origin,
    authz::{
        Actor, ContainerPermission, ContainerSet,
        actions::{
            DeleteContainer, GrantAccess, ReadCommands, ReadConsole, ReadOwnCommands, SendCommand,
            StartContainer,
        },
    },
    containers::{Command, KEPT_COMMANDS, Level, lifecycle::Phase, service::NewContainer},
    id::{ContainerId, UserId},
    node::ConsoleSearch,
    paging::PageRequest,
    roles::Builtin,
};

async fn running(world: &World, owner: UserId) -> ContainerId {
    world.daemon("one", "30000-30009").await;
    let template = world.template().await.id;
    let new =
        NewContainer { owner_id: Some(owner), skip_install: true, ..NewContainer::new("Trains", template) };
    let id = world.container(new).await.unwrap();
    let permit = world.raptor.authz().permit::<StartContainer>(&Actor::System, id).await.unwrap();
    world.raptor.containers().start(permit).await.unwrap();
    until("it runs", || async {
        see(&world.raptor, &Actor::System, id)
            .await
            .is_ok_and(|seen| seen.summary.live.phase == Phase::Running)
    })
    .await;
    id
}

async fn send(world: &World, actor: &Actor, id: ContainerId, line: &str) {
    let permit = world.raptor.authz().permit::<SendCommand>(actor, id).await.unwrap();
    world.raptor.containers().command(permit, line).await.unwrap();
}

fn lines(commands: &[Command]) -> Vec<(&str, &str)> {
    commands.iter().map(|sent| (sent.sent_by.as_str(), sent.command.as_str())).collect()
}

#[tokio::test]
async fn whoever_reads_the_console_sees_all_commands_and_whoever_only_sends_sees_their_own() {
    on_both(|world| async move {
        let (authz, containers) = (world.raptor.authz(), world.raptor.containers());
        let (steve, alex) =
            (world.user("steve", Builtin::User).await.id, world.user("alex", Builtin::User).await.id);
        let id = running(&world, steve).await;
        let vouch = async |id| world.raptor.auth().vouch(id, &Origin::default()).await.unwrap();
        let (steve, stranger) = (vouch(steve).await, vouch(alex).await);
        assert_eq!(authz.permit::<ReadCommands>(&stranger, id).await.err().unwrap().code(), "not_found");
        let permit = authz.permit::<GrantAccess>(&steve, id).await.unwrap();
        let only_sends = ContainerSet::NONE.with(ContainerPermission::ConsoleCommand);
        containers.grant(permit, "alex", wanted(Level::Custom, only_sends)).await.unwrap();
        let alex = vouch(alex).await;

        send(&world, &steve, id, "one").await;
        send(&world, &alex, id, "two").await;
        send(&world, &steve, id, "three").await;

        let page = PageRequest { limit: 2, with_total: true, ..PageRequest::default() };
        let all = containers.commands(authz.permit(&steve, id).await.unwrap(), &page).await.unwrap();
        assert_eq!(lines(&all.items), [("steve", "three"), ("alex", "two")]);
        assert_eq!(all.total, Some(3));
        let rest = PageRequest { cursor: all.next, ..page.clone() };
        let rest = containers.commands(authz.permit(&steve, id).await.unwrap(), &rest).await.unwrap();
        assert_eq!((lines(&rest.items), rest.next), (vec![("steve", "one")], None));

        let refused = authz.permit::<ReadCommands>(&alex, id).await.err().unwrap();
        assert!(matches!(refused, Error::Forbidden { .. }), "{refused}");
        let permit = authz.permit::<ReadOwnCommands>(&alex, id).await.unwrap();
        let own = containers.own_commands(permit, &page).await.unwrap();
        assert_eq!(lines(&own.items), [("alex", "two")]);
    })
    .await;
}

#[tokio::test]
async fn a_bounded_number_of_commands_is_kept_and_none_of_a_container_that_is_gone() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let id = running(&world, steve).await;
        let steve = world.raptor.auth().vouch(steve, &Origin::default()).await.unwrap();
        for i in 0..KEPT_COMMANDS + 5 {
            send(&world, &steve, id, &format!("say {i}")).await;
        }
        let page = PageRequest { limit: 1, with_total: true, ..PageRequest::default() };
        let authz = world.raptor.authz();
        let kept =
            world.raptor.containers().commands(authz.permit(&steve, id).await.unwrap(), &page).await.unwrap();
        assert_eq!(kept.total, Some(i64::from(KEPT_COMMANDS)));
        assert_eq!(kept.items[0].command, format!("say {}", KEPT_COMMANDS + 4));
        let permit = authz.permit::<DeleteContainer>(&steve, id).await.unwrap();
        world.raptor.containers().delete(permit, true).await.unwrap();
        let gone = authz.permit::<ReadCommands>(&Actor::System, id).await.err().unwrap();
        assert_eq!(gone.code(), "not_found");
    })
    .await;
}

#[tokio::test]
async fn a_search_that_makes_no_sense_is_an_input_error_and_others_are_answered_by_the_host() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        let id = running(&world, steve).await;
        let (authz, containers) = (world.raptor.authz(), world.raptor.containers());
        let lines = (1..=50).map(|i| format!("line {i}"));
        world.hosts.of("one").print(id, lines).unwrap();
        let search = async |text: &str, regex, limit| {
            let permit = authz.permit::<ReadConsole>(&Actor::System, id).await.unwrap();
            let search = ConsoleSearch { text: Some(text.into()), regex, limit, ..ConsoleSearch::default() };
            containers.search_console(permit, search).await
        };
        for (text, limit, field) in [("(", 10, "text"), ("x", 0, "limit"), ("x", 501, "limit")] {
            let refused = search(text, true, limit).await.unwrap_err();
            assert!(matches!(&refused, Error::Invalid { field: at, .. } if at == field), "{refused}");
        }
        let found = search("LINE 4", false, 3).await.unwrap();
        assert_eq!(
            found.hits.iter().map(|hit| hit.text.as_str()).collect::<Vec<_>>(),
            ["line 49", "line 48", "line 47"]
        );
        assert_eq!(found.next, found.hits.last().map(|hit| hit.seq));
    })
    .await;
}
