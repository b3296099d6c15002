//! The admin command for operators. Most of its commands access the table and the secrets directly,
//! with the operator's own AWS credentials. Exports and imports call the API instead, so that its
//! validation and the deployment's configuration apply to them.

mod apps;
mod arguments;
mod errors;
mod event_types;
mod export;
mod import;
mod keys;
mod output;
mod platform_api;
mod secrets;
mod sessions;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use aws_config::{BehaviorVersion, SdkConfig};
use clap::{Parser, Subcommand};
use webhook_endpoints::aws::timeouts;

use apps::AppsCommand;
use errors::without_api_keys;
use event_types::EventTypesCommand;
use export::ExportCommand;
use import::ImportCommand;
use keys::KeysCommand;
use secrets::SecretsCommand;
use sessions::SessionsCommand;

type BoxError = Box<dyn Error + Send + Sync>;

/// Manage apps, API keys, portal sessions, event types and signing secrets of a
/// webhook-endpoints deployment.
#[derive(Parser)]
#[command(name = "webhook-endpoints-admin", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Manage the apps.
    #[command(subcommand)]
    Apps(AppsCommand),
    /// Manage the API keys of apps and of the platform.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create and revoke the portal sessions of an app's users.
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Manage the catalogue of event types.
    #[command(subcommand)]
    EventTypes(EventTypesCommand),
    /// Clean up and move the signing secrets of endpoints.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Print endpoints as JSON lines, without their secrets.
    Export(ExportCommand),
    /// Create endpoints from JSON lines, with their secrets. If it is interrupted, run it
    /// again.
    Import(ImportCommand),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return errors::report_usage(&error),
    };
    let table_name = arguments.command.table_name().to_owned();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = errors::describe(error.as_ref(), &table_name);
            // If standard error is closed, the exit code has to do.
            let _ = writeln!(io::stderr(), "error: {}", without_api_keys(&error));
            ExitCode::FAILURE
        }
    }
}

async fn sdk() -> Result<SdkConfig, BoxError> {
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts())
        .load()
        .await;
    if sdk.region().is_none_or(|region| region.as_ref().is_empty()) {
        return Err(
            "no AWS Region is set: set AWS_REGION, or AWS_PROFILE to a profile with one".into(),
        );
    }
    Ok(sdk)
}

async fn run(Arguments { command, json }: Arguments) -> Result<(), BoxError> {
    match command {
        Command::Apps(command) => apps::run(command, &sdk().await?, json).await,
        Command::Keys(command) => keys::run(command, &sdk().await?, json).await,
        Command::Sessions(command) => sessions::run(command, &sdk().await?, json).await,
        Command::EventTypes(command) => event_types::run(command, &sdk().await?, json).await,
        Command::Secrets(command) => secrets::run(command, &sdk().await?, json).await,
        Command::Export(command) => export::run(command).await,
        Command::Import(command) => import::run(command, json).await,
    }
}

impl Command {
    /// The table's name, for errors. Empty for the commands that call the API.
    fn table_name(&self) -> &str {
        match self {
            Self::Apps(command) => command.table_name(),
            Self::Keys(command) => command.table_name(),
            Self::Sessions(command) => command.table_name(),
            Self::EventTypes(command) => command.table_name(),
            Self::Secrets(command) => command.table_name(),
            Self::Export(_) | Self::Import(_) => "",
        }
    }
}
