//! Every operation of the OpenAPI document, called on things that exist by everybody who may differ: without a session, without a
//! right, with each level of access, with each permission alone, with the built-in roles. The answers are held against
//! [`table`], and the table against `raptor-core/src/authz/actions.rs`.

mod described;
mod events;
mod fields;
mod fresh;
mod matrix;
mod scene;
mod sockets;
mod table;
mod who;

use crate::{
    support::{
        Answered,
        bodies::{self, PASSWORD},
    },
    world::{World, postgres},
};
use futures_util::{StreamExt, stream};
use matrix::Line;
use raptor_client::api::{
    query::ListUsers,
    types::{NewUser, PasswordChange},
};
use raptor_core::{authz::actions, roles::Builtin};
use reqwest::{Method, Response};
use scene::Scene;
use serde_json::Value;
use std::collections::BTreeSet;
use table::{Ids, Right, Row, Takes};
use who::{Kind, Outcome, Who};

/// The database of most tests, in memory.
const SQLITE: &str = "sqlite::memory:";
/// Calls at once. Those that are refused change nothing, so that their order does not matter.
const AT_ONCE: usize = 8;

/// An operation of the document: its method, its address and the statuses that it may answer with.
struct Operation {
    method: Method,
    path: String,
    statuses: BTreeSet<u16>,
    upgrades: bool,
}

impl Operation {
    /// The operation of this id.
    fn find(document: &Value, id: &str) -> Option<Self> {
        operations(document).find(|(_, _, operation)| operation["operationId"] == id).map(
            |(path, method, operation)| {
                let responses = operation["responses"].as_object().unwrap();
                Self {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.to_owned(),
                    statuses: responses.keys().filter_map(|status| status.parse().ok()).collect(),
                    upgrades: responses.contains_key("101"),
                }
            },
        )
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (&**path, &**method, operation))
    })
}

#[test]
fn every_operation_of_the_document_is_in_the_table() {
    let document = raptor_api::openapi();
    let rows = table::rows();
    let known: BTreeSet<&str> = rows.iter().map(|row| row.operation).collect();
    let all: BTreeSet<&str> =
        operations(&document).map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    let missing: Vec<_> = all.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "nothing says who may call {missing:?}: add a row for each to tests/api/authorisation/table/, with the action that its \
         handler asks for and the permission that this takes"
    );
    let gone: Vec<_> = known.difference(&all).collect();
    assert!(gone.is_empty(), "there are no operations {gone:?} any more: remove their rows from the table");
}

/// The permission of an action stands in `authz/actions.rs`; the table says it again, so that it can't be changed unnoticed.
#[test]
fn the_table_takes_what_the_actions_take() {
    let mut wrong = Vec::new();
    let rows = table::rows();
    for row in &rows {
        for (name, rights) in &row.actions {
            let said: Vec<&str> = rights.iter().map(|right| right.name()).collect();
            let is = actions::ALL.iter().find(|(action, _)| action == name);
            match is.map(|(_, takes)| takes.permissions()) {
                None => wrong.push(format!("{}: there is no action {name} in actions.rs", row.name())),
                Some(is) if is != said => wrong.push(format!(
                    "{}: its action {name} takes {is:?} by actions.rs, and {said:?} by the table",
                    row.name(),
                )),
                Some(_) => {}
            }
        }
    }
    // Daemons ask over their link, not by an operation.
    for (action, _) in actions::ALL.iter().filter(|(action, _)| *action != "AskAsDaemon") {
        if !rows.iter().any(|row| row.actions.iter().any(|(name, _)| name == action)) {
            wrong.push(format!("no operation of the table is allowed by the action {action}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What came of each call is written down in `operations.txt`, so that a change of who may call what is seen in review.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_takes_what_the_table_says_and_nothing_else() {
    let (lines, wrong) = walk(Scene::on(SQLITE).await, table::rows()).await;
    report(&wrong);
    matrix::compare("operations.txt", &matrix::text(&lines));
}

/// Every second operation, which half by the seed: on two days in a row it is all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_take_the_same_on_postgresql() {
    let Some(url) = postgres().await else { return };
    let seed = seed();
    println!("RAPTOR_TEST_SEED={seed}");
    let half = table::rows().into_iter().zip(seed..).filter(|(_, turn)| turn % 2 == 0).map(|(row, _)| row);
    let (lines, wrong) = walk(Scene::on(&url).await, half).await;
    report(&wrong);
    assert!(lines.len() > 50, "{} operations", lines.len());
    matrix::contains("operations.txt", &lines);
}

/// Which half of the operations is called: `RAPTOR_TEST_SEED`, or the number of the day.
fn seed() -> u64 {
    let day = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    std::env::var("RAPTOR_TEST_SEED").map_or_else(|_| day(), |seed| seed.parse().unwrap())
}

/// Calls these operations as everybody. Returns what came of it, and what of that the table says otherwise.
async fn walk(scene: Scene, rows: impl IntoIterator<Item = Row>) -> (Vec<Line>, Vec<String>) {
    let everybody = Who::everybody(&scene).await;
    let document = raptor_api::openapi();
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for row in rows {
        let walk = Walk::new(&scene, &document, &row);
        let mut line = Line::new(&row);
        let several = several(&scene, &row).await;
        let (allowed, refused): (Vec<&Who>, Vec<&Who>) =
            everybody.iter().chain(&several).partition(|who| who.expected(&row) == Outcome::Allowed);
        let refused = stream::iter(refused)
            .map(|who| {
                let ids = walk.ids(who, None);
                let walk = &walk;
                async move { (who, walk.call(who, &ids).await) }
            })
            .buffered(AT_ONCE);
        let mut outcomes: Vec<(&Who, Outcome)> = refused.collect().await;
        for who in allowed {
            let fresh = match row.fresh {
                Some(fresh) => Some(scene.prepare(fresh, who).await),
                None => None,
            };
            outcomes.push((who, walk.call(who, &walk.ids(who, fresh)).await));
        }
        wrong.extend(differences(&row, &outcomes));
        for (who, outcome) in outcomes {
            line.note(&who.kind, outcome);
        }
        lines.push(line);
    }
    (lines, wrong)
}

/// What came of the calls of one row otherwise than the table says, a line for each way in which it did.
fn differences(row: &Row, outcomes: &[(&Who, Outcome)]) -> Vec<String> {
    const NAMED: usize = 3;
    let mut ways: Vec<(String, Vec<String>)> = Vec::new();
    for (who, outcome) in outcomes {
        let expected = who.expected(row);
        if *outcome == expected {
            continue;
        }
        let way = format!("{outcome}, and should be {expected}");
        match ways.iter_mut().find(|(known, _)| *known == way) {
            Some((_, callers)) => callers.push(who.kind.to_string()),
            None => ways.push((way, vec![who.kind.to_string()])),
        }
    }
    // The fewer it concerns, the more it says.
    ways.sort_by_key(|(_, callers)| callers.len());
    let named = |callers: &[String]| match callers.len().saturating_sub(NAMED) {
        0 => callers.join(", "),
        more => format!("{} and {more} more", callers[..NAMED].join(", ")),
    };
    ways.iter().map(|(way, callers)| format!("{}: {way}: {}", row.name(), named(callers))).collect()
}

/// Fails with what is wrong; the first of it is the cause of the rest, where a call changed what others need.
fn report(wrong: &[String]) {
    const SHOWN: usize = 60;
    let more = wrong.len().saturating_sub(SHOWN);
    let shown = wrong[..wrong.len().min(SHOWN)].join("\n");
    assert!(
        wrong.is_empty(),
        "\n{shown}\n{}",
        if more > 0 { format!("and {more} more") } else { String::new() }
    );
}

/// Where an operation takes several permissions: who holds all of them and nothing else, and who lacks one of more than two.
async fn several(scene: &Scene, row: &Row) -> Vec<Who> {
    let rights = row.rights();
    let mut sets: Vec<Vec<Right>> = Vec::new();
    if rights.len() > 1 {
        sets.push(rights.to_vec());
    }
    if rights.len() > 2 {
        sets.extend(rights.iter().map(|left| rights.iter().copied().filter(|one| one != left).collect()));
    }
    let mut all = Vec::new();
    for rights in sets {
        all.push(Who::new(scene, Kind::Several(rights)).await);
    }
    all
}

/// One row being walked.
struct Walk<'s> {
    scene: &'s Scene,
    row: &'s Row,
    operation: Operation,
}

impl<'s> Walk<'s> {
    fn new(scene: &'s Scene, document: &Value, row: &'s Row) -> Self {
        let operation = Operation::find(document, row.operation).unwrap();
        Self { scene, row, operation }
    }

    fn ids(&self, who: &Who, fresh: Option<Ids>) -> Ids {
        let mut ids = self.scene.ids.clone();
        let standing = |name: &str| self.scene.ids[name].clone();
        ids.insert("container".into(), standing(self.row.container));
        ids.insert("daemon".into(), standing(self.row.daemon));
        ids.insert("me".into(), who.name.clone());
        ids.insert("n".into(), self.scene.next().to_string());
        ids.extend(fresh.unwrap_or_default());
        ids
    }

    async fn call(&self, who: &Who, ids: &Ids) -> Outcome {
        let token = ids.get("token").cloned().or_else(|| who.token.clone());
        let person = self.scene.world.holding(token);
        let request =
            person.request(self.operation.method.clone(), &self.row.path(&self.operation.path, ids));
        let mut request = self.row.with_body(request, ids);
        if self.operation.upgrades {
            request = request
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        }
        self.outcome(request.send().await.unwrap()).await
    }

    async fn outcome(&self, answer: Response) -> Outcome {
        let status = answer.status();
        if !self.operation.statuses.contains(&status.as_u16()) {
            return Outcome::Odd(format!("{status}, which the document does not describe"));
        }
        if status.is_success() || status == 101 || self.row.or == Some(status.as_u16()) {
            return Outcome::Allowed;
        }
        let text = answer.text().await.unwrap();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        match (status.as_u16(), problem["code"].as_str().unwrap_or_default()) {
            (401, _) => Outcome::NotSignedIn,
            (404, "not_found") => Outcome::Redacted,
            (403, "password_change_required") => Outcome::PasswordFirst,
            (403, "forbidden") => match problem["detail"].as_str().and_then(|text| text.split('`').nth(1)) {
                Some(permission) => Outcome::Missing(permission.to_owned()),
                None => Outcome::Odd(text),
            },
            _ => Outcome::Odd(format!("{status} {text}")),
        }
    }
}

/// Somebody who has to choose another password may look at their account, choose one, and go on.
#[tokio::test]
async fn a_required_password_opens_everything_once_it_is_chosen() {
    let world = World::new().await;
    let boss = world.person(Builtin::Admin).await;
    let role = world.role(Builtin::Admin).await;
    let steve = NewUser { password_change_required: Some(true), ..bodies::a_user("steve", role) };
    boss.create_user(&steve).await.done();
    let steve = world.sign_in("steve").await;
    assert!(steve.get_account().await.done().password_change_required);
    assert_eq!(steve.list_users(ListUsers::default()).await.refused().status, 403);
    let change = PasswordChange { current_password: PASSWORD.into(), new_password: "a better one".into() };
    steve.change_password(&change).await.done();
    steve.list_users(ListUsers::default()).await.done();
}
