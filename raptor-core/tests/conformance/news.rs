//! Events that occur while the database does not answer.

use crate::world::on_both;
use raptor_core::{
    auth::Origin,
    authz::{Actor, actions::SuspendContainer},
    containers::service::NewContainer,
    id::ContainerId,
    live::FollowerEvent,
    roles::Builtin,
    store::Subject,
};
use sqlx::{AssertSqlSafe, Connection};

async fn run(url: &str, statement: &'static str) {
    let statement = sqlx::raw_sql(AssertSqlSafe(statement));
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        statement.execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        statement.execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_that_comes_while_the_database_fails_has_everything_read_again() {
    on_both(|world| async move {
        let steve = world.user("steve", Builtin::User).await.id;
        world.daemon("one", "30000-30009").await;
        let template = world.template().await.id;
        let new = NewContainer { owner_id: Some(steve), ..NewContainer::new("Trains", template) };
        let id = world.container(new).await.unwrap();
        let actor = world.raptor.auth().vouch(steve, &Origin::default()).await.unwrap();
        let mut theirs = world.raptor.follow(actor, None);
        let mut all = world.raptor.follow(Actor::System, None);

        let permit = world.raptor.authz().permit::<SuspendContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().set_suspended(permit, true).await.unwrap();
        let told = async |follower: &mut raptor_core::live::Follower| loop {
            match follower.next().await.unwrap() {
                FollowerEvent::Change(change) if change.subject == Subject::Container => return FollowerEvent::Change(change),
                FollowerEvent::Resync => return FollowerEvent::Resync,
                _ => {}
            }
        };
        let change = told(&mut all).await;
        assert_ne!(change, FollowerEvent::Resync);

        run(&world.url, "ALTER TABLE containers RENAME TO away").await;
        assert_eq!(told(&mut theirs).await, FollowerEvent::Resync, "it may have been theirs");
        run(&world.url, "ALTER TABLE away RENAME TO containers").await;
        assert_eq!(told(&mut theirs).await, FollowerEvent::Resync, "and once more when what they see is known");
        let permit = world.raptor.authz().permit::<SuspendContainer>(&Actor::System, id).await.unwrap();
        world.raptor.containers().set_suspended(permit, false).await.unwrap();
        assert!(
            matches!(told(&mut theirs).await, FollowerEvent::Change(change) if ContainerId::from(change.id) == id)
        );
    })
    .await;
}
