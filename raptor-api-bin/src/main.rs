//! `raptor-api`: configuration, logs, serving and shutdown.

use anyhow::Context;
use raptor_api::{
    App,
    config::{self, Cli, Command, Config},
    health, keys, openapi, serve,
};
use raptor_core::auth::seal::generate_secret;
use raptor_server::{
    logs,
    process::{allow_open_files, listen},
    say,
};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raptor-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    // Fails if a provider is already installed, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Cli { command, config } = config::read()?;
    match command.unwrap_or(Command::Serve) {
        Command::Openapi => say(serde_json::to_string_pretty(&openapi())?)?,
        Command::Key => say(generate_secret("")?)?,
        Command::Health => health::ask(config.api_addr).await?,
        Command::RotateKey(rotation) => {
            logs::start(&config.rust_log)?;
            keys::rotate_app_key(&config, &rotation).await?;
        }
        Command::RotateJwtSecret(rotation) => {
            logs::start(&config.rust_log)?;
            keys::rotate_jwt_secret(&config, &rotation).await?;
        }
        Command::Serve => serve_api(config).await?,
        Command::Up(up) => {
            logs::start(&config.rust_log)?;
            raptor_api::up::run(config, up).await?;
        }
    }
    Ok(())
}

async fn serve_api(config: Config) -> anyhow::Result<()> {
    logs::start(&config.rust_log)?;
    let app_key = config.key()?.context("APP_KEY is not set. `raptor-api key` creates one; keep it safe: stored secrets can't be read without it.")?;
    allow_open_files();
    let listener = listen("API_ADDR", config.api_addr).await?;
    let raptor =
        config.builder(app_key.expose())?.database_url(config.database("./data".as_ref())?).build().await?;
    if let Some(password) = &config.admin_password {
        let password = password.expose().to_owned();
        if raptor.users().ensure_admin(&config.admin_username, &config.admin_email, password).await? {
            tracing::info!(username = config.admin_username, "created the administrator");
        }
    }
    serve::refuse_default_password(&raptor, &config).await?;
    tracing::info!(addr = %config.api_addr, version = env!("CARGO_PKG_VERSION"), "serving");
    serve::run(listener, App::new(raptor.clone(), &config)).await;
    raptor.shutdown().await;
    Ok(())
}
