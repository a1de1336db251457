//! Waiting for slots before folders are read and texts are saved.

use super::{AllOperations, MAX_SURVEYS_HERE, RequestKind};
use crate::files::FileError;
use raptor_model::id::ContainerId;
use raptor_outbound::Outbound;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(20);

#[tokio::test]
async fn few_read_folders_at_once_and_who_waits_too_long_is_told() {
    let all = AllOperations::new(Outbound::default());
    let (id, other) = (ContainerId::generate(), ContainerId::generate());
    let one = all.turn(id, RequestKind::Read).await.unwrap();
    let _two = all.turn(id, RequestKind::Read).await.unwrap();
    let refused = all.turn_within(id, RequestKind::Read, SOON).await;
    assert!(matches!(refused, Err(FileError::Busy)));
    assert!(all.turn(other, RequestKind::Read).await.is_ok(), "another container's are none of theirs");
    let (third, ()) = tokio::join!(all.turn(id, RequestKind::Read), async { drop(one) });
    assert!(third.is_ok(), "whose turn comes goes on");
}

#[tokio::test]
async fn searches_in_however_many_containers_delay_nobodys_listing() {
    let all = AllOperations::new(Outbound::default());
    let ids: Vec<_> = (0..MAX_SURVEYS_HERE).map(|_| ContainerId::generate()).collect();
    let mut searches = Vec::new();
    for id in &ids {
        searches.push(all.turn(*id, RequestKind::Survey).await.unwrap());
        assert!(
            all.turn_within(*id, RequestKind::Survey, SOON).await.is_err(),
            "one search per container at once"
        );
    }
    let another = ContainerId::generate();
    assert!(all.turn_within(another, RequestKind::Survey, SOON).await.is_err(), "searches wait for searches");
    for id in ids.into_iter().chain([another]) {
        assert!(all.turn_within(id, RequestKind::Read, SOON).await.is_ok(), "listings don't");
    }
}

#[tokio::test]
async fn few_texts_are_saved_at_once_and_who_waits_too_long_is_told() {
    let all = AllOperations::new(Outbound::default());
    let id = ContainerId::generate();
    let mut turns =
        vec![all.turn(id, RequestKind::Save).await.unwrap(), all.turn(id, RequestKind::Save).await.unwrap()];
    let refused = all.turn_within(id, RequestKind::Save, SOON).await;
    assert!(matches!(refused, Err(FileError::Busy)));
    for _ in 0..3 {
        let other = ContainerId::generate();
        turns.push(all.turn(other, RequestKind::Save).await.expect("another container's are none of theirs"));
        turns.push(all.turn(other, RequestKind::Save).await.unwrap());
    }
    let refused = all.turn_within(ContainerId::generate(), RequestKind::Save, SOON).await;
    assert!(matches!(refused, Err(FileError::Busy)), "a host has a bound as well");
}
