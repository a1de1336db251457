//! Queries as they are seen at run time.

use crate::{
    traced::Log,
    world::{PASSWORD, on_both},
};
use raptor_core::{auth::Origin, roles::Builtin};
use tracing::{Instrument, Level, info_span};

#[tokio::test]
async fn each_query_is_a_span_within_its_request_with_rows_and_time_and_without_parameters() {
    on_both(|world| async move {
        world.user("steve", Builtin::User).await;
        let (log, _guard) = Log::keep(Level::DEBUG);
        let auth = world.raptor.auth();
        let signing_in = auth.sign_in("steve", PASSWORD.into(), Origin::default());
        let token = signing_in.instrument(info_span!("request", id = "0198c1f2")).await.unwrap().token;
        let text = log.text();
        let ended: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("request{id=\"0198c1f2\"}:query{") && line.contains("close"))
            .collect();
        assert!(ended.len() > 2, "{text}");
        for line in &ended {
            for told in ["statement=\"", " rows=", " elapsed_us="] {
                assert!(line.contains(told), "{told}: {line}");
            }
        }
        let of = |statement: &str, rows: &str| {
            let mut lines = ended.iter().filter(|line| line.contains(&format!("statement=\"{statement}")));
            assert!(lines.any(|line| line.contains(rows)), "{statement} {rows}: {text}");
        };
        of("SELECT", " rows=1 ");
        of("INSERT INTO sessions", " rows=1 ");
        for secret in [PASSWORD, token.as_str(), "steve@example.com"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    })
    .await;
}
