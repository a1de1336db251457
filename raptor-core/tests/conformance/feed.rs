//! The caches while changes of other API processes may be missed.

use crate::world::{on_both, run, until};
use raptor_core::{auth::Origin, roles::Builtin};
use std::time::Duration;

/// Ends the connection over which a Raptor hears of changes, again and again.
async fn cut(url: &str) {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    loop {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
        )
        .execute(&pool)
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn no_session_is_answered_from_memory_while_changes_of_others_may_be_missed() {
    on_both(|world| async move {
        if world.url.starts_with("sqlite") {
            // It belongs to one process, whose changes are all heard.
            return;
        }
        world.user("steve", Builtin::User).await;
        let (token, _) = world.signed_in("steve").await;
        let known = async || world.raptor.auth().authenticate(&token, &Origin::default()).await.is_ok();
        assert!(known().await);
        // As another process ends it, of which nothing is heard: what is in memory is answered.
        run(&world, "DELETE FROM sessions").await;
        assert!(known().await, "this test says nothing unless a session is kept in memory");
        tokio::select! {
            () = cut(&world.url) => {}
            () = until("it hears of nothing", async || !world.raptor.receives_changes()) => {}
        }
        assert!(!known().await, "the session has ended, which may be what was missed");
        until("it hears of changes again", async || world.raptor.receives_changes()).await;
        assert!(!known().await, "what was in memory before is not answered afterwards either");
    })
    .await;
}
