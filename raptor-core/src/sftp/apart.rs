//! What revoking means on hosts that are not connected: they hear of it when they are again.

use crate::{
    Raptor, Result,
    authz::{Actor, SystemPermission},
    daemons::Daemon,
    id::DaemonId,
    live::LinkState,
    store::{self, Conn},
};

/// Daemons that are named at most.
const NAMED: usize = 3;

/// What is said of this daemon, if it is not connected.
///
/// # Errors
/// When the store fails.
pub(crate) async fn of_daemon(raptor: &Raptor, conn: &mut Conn<'_>, id: DaemonId) -> Result<Option<String>> {
    if is_connected(raptor, id) {
        return Ok(None);
    }
    Ok(store::daemons::find(conn, id).await?.map(|daemon| sentence(&daemon)))
}

/// What is said of the daemons whose containers the actor may enter and that are not connected.
///
/// # Errors
/// When the store fails.
pub(crate) async fn of_actor(raptor: &Raptor, conn: &mut Conn<'_>, actor: &Actor) -> Result<Option<String>> {
    let everywhere = actor.grants().contains(SystemPermission::ContainersRead);
    let only = actor.user_id().filter(|_| !everywhere);
    let mut daemons = store::daemons::reached_by(conn, only).await?;
    daemons.retain(|daemon| !is_connected(raptor, daemon.id));
    let mut said: Vec<String> = daemons.iter().take(NAMED).map(sentence).collect();
    match daemons.len().saturating_sub(NAMED) {
        0 => {}
        1 => said.push("The same goes for one more daemon.".into()),
        more => said.push(format!("The same goes for {more} more daemons.")),
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
        "{name} is not connected and hears of this when it is again. Until then, SFTP sessions that are open there go on, and {keys}."
    )
}
