//! Raptor inside another program, without any HTTP: a store, users and what they may do, a container on a simulated host,
//! and its events. `raptor-node-lib`'s `Host` in the place of the simulated one runs it on Docker.
//!
//! `cargo run -p raptor-core --example embed`

use futures_util::StreamExt;
use raptor_core::{
    Raptor,
    auth::Origin,
    authz::{Actor, actions as may},
    containers::{lifecycle::Phase, service::NewContainer},
    daemons::simulated::SimulatedHost,
    roles::Builtin,
    users::NewUser,
};
use std::sync::Arc;

const EGG: &[u8] = include_bytes!("../tests/fixtures/eggs/openttd.json");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let raptor = Raptor::builder("a secret of 32 characters or more")
        .database_url("sqlite::memory:")
        .local_node(Arc::new(SimulatedHost::default()), "25565-25570")
        .build()
        .await?;

    // Whoever embeds Raptor acts as the system, or vouches for a user. Each operation takes a permit to do just that.
    let (system, authz) = (Actor::System, raptor.authz());
    let user = NewUser {
        username: "steve".into(),
        email: "steve@example.com".into(),
        name: None,
        password: "correct horse".into(),
        password_change_required: false,
        role_id: raptor.roles().builtin(Builtin::User).await?.id,
    };
    let steve = raptor.users().create(authz.allow::<may::CreateUser>(&system)?, user).await?;
    let template =
        raptor.templates().import(authz.allow::<may::ImportTemplate>(&system)?, EGG).await?.template;

    let new =
        NewContainer { owner_id: Some(steve.id), start: true, ..NewContainer::new("Trains", template.id) };
    let id = raptor.containers().create(authz.allow::<may::CreateContainer>(&system)?, new).await?;

    // Its owner may watch and command it, and may not make another one.
    let steve = raptor.auth().vouch(steve.id, &Origin::default()).await?;
    assert!(authz.allow::<may::CreateContainer>(&steve).is_err());
    // Its state now and whenever it changes, for as long as steve may see it.
    let mut states = raptor.containers().watch(authz.permit::<may::SeeContainer>(&steve, id).await?);
    let mut shown = None;
    while shown != Some(Phase::Running) {
        let state = states.next().await.ok_or("steve may not see it any more")?;
        if shown.replace(state.phase) != Some(state.phase) {
            println!("{id} is {}", state.phase.name());
        }
    }
    let see = authz.permit::<may::SeeContainer>(&steve, id).await?;
    let container = raptor.containers().get(see).await?.summary;
    let address = &container.allocations[0];
    println!("{} runs at {}:{}", container.name, address.ip, address.port);
    raptor.containers().command(authz.permit::<may::SendCommand>(&steve, id).await?, "server_info").await?;
    for line in
        raptor.containers().console(authz.permit::<may::ReadConsole>(&steve, id).await?, None, 10).await?
    {
        println!("{:>4}  {}", line.seq, line.text);
    }
    raptor.containers().stop(authz.permit::<may::StopContainer>(&steve, id).await?).await?;
    raptor
        .containers()
        .wait_until(authz.permit::<may::SeeContainer>(&steve, id).await?, Phase::Offline)
        .await?;
    println!("{id} is offline again");
    raptor.shutdown().await;
    Ok(())
}
