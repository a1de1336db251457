//! Many containers: on one real daemon with a simulated engine, and on very many simulated daemons of one real API.

mod daemon;
mod engine;
mod fleet;
mod host;

use crate::{Setting, report::Report};

/// Runs the suite.
pub async fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    daemon::run(setting, report).await?;
    fleet::run(setting, report).await
}
