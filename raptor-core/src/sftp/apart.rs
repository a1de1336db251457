//! The effect of revocations on hosts that are not connected: they learn of them when they reconnect.

use crate::{
    Raptor, Result,
    authz::{Actor, SystemPermission},
    daemons::Daemon,
    id::DaemonId,
    live::LinkState,
    store::{self, Conn},
};

/// How many daemons are named.
const NAMED: usize = 3;

/// The notice about this daemon; `None` if it is connected.
///
/// # Errors
/// If the store fails.
pub(crate) async fn of_daemon(raptor: &Raptor, conn: &mut Conn<'_>, id: DaemonId) -> Result<Option<String>> {
    if is_connected(raptor, id) {
        return Ok(None);
    }
    Ok(store::daemons::find(conn, id).await?.map(|daemon| sentence(&daemon)))
}

/// The notice about the daemons that are not connected, of those whose containers the actor has access to.
///
/// # Errors
/// If the store fails.
pub(crate) async fn of_actor(raptor: &Raptor, conn: &mut Conn<'_>, actor: &Actor) -> Result<Option<String>> {
    let everywhere = actor.grants().contains(SystemPermission::ContainersRead);
    let only = actor.user_id().filter(|_| !everywhere);
    let mut daemons = store::daemons::accessible_to(conn, only).await?;
    daemons.retain(|daemon| !is_connected(raptor, daemon.id));
    let mut said: Vec<String> = daemons.iter().take(NAMED).map(sentence).collect();
    match daemons.len().saturating_sub(NAMED) {
        0 => {}
        1 => said.push("The same applies to one more daemon.".into()),
        more => said.push(format!("The same applies to {more} more daemons.")),
    }
    Ok((!said.is_empty()).then(|| said.join(" ")))
}

fn is_connected(raptor: &Raptor, id: DaemonId) -> bool {
    raptor.inner.fleet.connection(id).is_some_and(|connection| connection.state == LinkState::Online)
}

fn sentence(daemon: &Daemon) -> String {
    let Daemon { name, sftp_offline_hours: hours, .. } = daemon;
    let keys = match hours {
        0 => "nobody can sign in there by SFTP".to_owned(),
        1 => "SSH keys that it knows keep working for up to an hour".to_owned(),
        hours => format!("SSH keys that it knows keep working for up to {hours} hours"),
    };
    format!(
        "{name} is not connected and learns of this when it reconnects. Until then, open SFTP sessions there continue, and {keys}."
    )
}
