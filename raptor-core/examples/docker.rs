//! Raptor inside another program, with this machine's Docker as its host: a container of an egg is made, started, followed until it
//! runs, stopped and deleted.
//!
//! `cargo run -p raptor-core --example docker -- FOLDER EGG [IMAGE]`
//!
//! The containers' files are kept in FOLDER, which only root can give to other users: without root they stay those of this user.
//! IMAGE is one that has the egg's program in it, so that nothing is installed; a leading `~` says that it is not pulled.

use futures_util::StreamExt;
use raptor_core::{
    Raptor,
    authz::{Actor, actions as may},
    containers::{lifecycle::Phase, service::NewContainer},
    roles::Builtin,
    users::NewUser,
};
use raptor_node_lib::Host;
use std::{path::Path, sync::Arc};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(egg)) = (arguments.next(), arguments.next()) else {
        return Err("Give a folder for the containers' files and an egg.".into());
    };
    let (egg, image) = (std::fs::read(egg)?, arguments.next());

    let host = Host::builder(Path::new(&folder)).build().await?;
    let raptor = Raptor::builder("a secret of 32 characters or more")
        .database_url("sqlite::memory:")
        .local_node(Arc::new(host.clone()), "25565-25570")
        .build()
        .await?;
    let (system, authz) = (Actor::System, raptor.authz());
    let steve = NewUser {
        username: "steve".into(),
        email: "steve@example.com".into(),
        name: None,
        password: "correct horse".into(),
        password_change_required: false,
        role_id: raptor.roles().builtin(Builtin::User).await?.id,
    };
    let owner = raptor.users().create(authz.allow::<may::CreateUser>(&system)?, steve).await?.id;
    let import = raptor.templates().import(authz.allow::<may::ImportTemplate>(&system)?, &egg).await?;

    let new = NewContainer {
        owner_id: Some(owner),
        skip_install: image.is_some(),
        image,
        start: true,
        ..NewContainer::new("Example", import.template.id)
    };
    let containers = raptor.containers();
    let id = containers.create(authz.allow::<may::CreateContainer>(&system)?, new).await?;
    let mut states = containers.watch(authz.permit::<may::SeeContainer>(&system, id).await?);
    let mut shown = None;
    while shown != Some(Phase::Running) {
        let state = states.next().await.ok_or("the container is gone")?;
        if let Some(problem) = state.problem.filter(|_| state.phase == Phase::Offline) {
            return Err(problem.into());
        }
        if shown.replace(state.phase) != Some(state.phase) {
            println!("{} is {}", id.short(), state.phase.name());
        }
    }
    for line in containers.console(authz.permit::<may::ReadConsole>(&system, id).await?, None, 10).await? {
        println!("{:>4}  {}", line.seq, line.text);
    }

    containers.stop(authz.permit::<may::StopContainer>(&system, id).await?).await?;
    containers.wait_until(authz.permit::<may::SeeContainer>(&system, id).await?, Phase::Offline).await?;
    println!("{} is offline again", id.short());
    containers.delete(authz.permit::<may::DeleteContainer>(&system, id).await?, false).await?;
    while states.next().await.is_some() {}
    raptor.shutdown().await;
    host.shutdown().await;
    Ok(())
}
