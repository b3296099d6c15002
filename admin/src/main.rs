//! The admin command for operators. It accesses the table and the secrets directly,
//! with the operator's own AWS credentials. Exports and imports go through the API, so that
//! what it checks, and how the deployment is configured, holds for them too.

mod apps;
mod complaint;
mod event_types;
mod export;
mod import;
mod platform_api;
mod secrets;
mod sessions;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use aws_config::{BehaviorVersion, SdkConfig};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use webhook_endpoints::aws::{table::Table, timeouts};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::api_key::{ApiKeyRecord, DEFAULT_PREFIX, NewKey};
use webhook_endpoints::domain::id::{AppId, KeyId};
use webhook_endpoints::domain::scope::{Grant, Owner, Scope};
use webhook_endpoints::domain::time::{self, iso_millis, serde_millis};
use webhook_endpoints::operator::keys::{self, Revocation};

use apps::AppsCommand;
use complaint::{has_api_key, without_api_keys};
use event_types::EventTypesCommand;
use export::ExportCommand;
use import::ImportCommand;
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

#[derive(Subcommand)]
enum KeysCommand {
    /// Create a key and print it to standard output. It cannot be shown again.
    Create {
        #[command(flatten)]
        table: TableName,
        #[command(flatten)]
        owner: NewOwner,
        /// What the key allows in its app: all, manage (endpoints and history), publish
        /// (events) or read.
        #[arg(long, default_value = "all", value_parser = Scope::parse, conflicts_with = "platform")]
        scope: Scope,
        /// When the key expires, in ISO 8601, such as 2027-01-31T00:00:00Z. By default
        /// it does not.
        #[arg(long, value_parser = time::parse)]
        expires_at: Option<Timestamp>,
        /// Prefix of the key, so that people and secret scanners recognize it. Keys of
        /// the platform get `_platform` after it.
        #[arg(long, default_value = DEFAULT_PREFIX)]
        prefix: String,
        /// A note, such as who holds the key.
        #[arg(long, default_value = "", value_parser = label)]
        label: String,
    },
    /// List the keys of an app or of the platform, including revoked ones.
    List {
        #[command(flatten)]
        table: TableName,
        #[command(flatten)]
        owner: KnownOwner,
    },
    /// Revoke a key.
    Revoke {
        #[command(flatten)]
        table: TableName,
        #[command(flatten)]
        owner: KnownOwner,
        /// The key's id, as shown by `keys list`.
        #[arg(long, value_parser = key_id)]
        key: KeyId,
    },
}

#[derive(Args)]
struct TableName {
    /// Name of the DynamoDB table.
    #[arg(long, env = "TABLE_NAME", value_parser = not_empty)]
    table_name: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct NewOwner {
    /// Id of the app that the key belongs to: 1 to 64 letters, digits, hyphens and
    /// underscores.
    #[arg(long, value_parser = app_id)]
    app: Option<AppId>,
    /// Generate an id for a new app.
    #[arg(long)]
    new_app: bool,
    /// A key of the platform, which makes apps, their keys and sessions, and publishes
    /// in every app.
    #[arg(long)]
    platform: bool,
}

impl NewOwner {
    fn grant(&self, scope: Scope) -> Grant {
        match self.platform {
            true => Grant::Platform,
            false => Grant::App {
                app_id: self.app.unwrap_or_else(AppId::new),
                scope,
            },
        }
    }
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct KnownOwner {
    /// Id of the app.
    #[arg(long, value_parser = app_id)]
    app: Option<AppId>,
    /// The platform's own keys.
    #[arg(long)]
    platform: bool,
}

impl KnownOwner {
    fn owner(&self) -> Owner {
        self.app.map_or(Owner::Platform, Owner::App)
    }
}

/// Whose keys, in words.
fn in_words(owner: Owner) -> String {
    match owner {
        Owner::Platform => "the platform".to_owned(),
        Owner::App(app_id) => format!("app {app_id}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return complaint::about_arguments(&error),
    };
    let table_name = arguments.command.table_name().to_owned();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = complaint::in_words(error.as_ref(), &table_name);
            // If standard error is closed, there is nothing left to do.
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
        Command::Keys(command) => run_keys(command, &sdk().await?, json).await,
        Command::Sessions(command) => sessions::run(command, &sdk().await?, json).await,
        Command::EventTypes(command) => event_types::run(command, &sdk().await?, json).await,
        Command::Secrets(command) => secrets::run(command, &sdk().await?, json).await,
        Command::Export(command) => export::run(command).await,
        Command::Import(command) => import::run(command, json).await,
    }
}

impl Command {
    fn table_name(&self) -> &str {
        match self {
            Self::Apps(command) => command.table_name(),
            Self::Keys(
                KeysCommand::Create { table, .. }
                | KeysCommand::List { table, .. }
                | KeysCommand::Revoke { table, .. },
            ) => &table.table_name,
            Self::Sessions(command) => command.table_name(),
            Self::EventTypes(command) => command.table_name(),
            Self::Secrets(command) => command.table_name(),
            Self::Export(_) | Self::Import(_) => "",
        }
    }
}

fn table(sdk: &SdkConfig, name: TableName) -> Table {
    Table::new(aws_sdk_dynamodb::Client::new(sdk), name.table_name)
}

async fn run_keys(command: KeysCommand, sdk: &SdkConfig, json: bool) -> Result<(), BoxError> {
    let now = Clock::system().now();
    match command {
        KeysCommand::Create {
            table: name,
            owner,
            scope,
            expires_at,
            prefix,
            label,
        } => {
            let new = NewKey {
                grant: owner.grant(scope),
                label,
                expires_at,
            };
            let owner = in_words(new.grant.owner());
            let (key, record) = keys::create(&table(sdk, name), &prefix, new, now).await?;
            if json {
                return print_json(&CreatedKey {
                    listed: ListedKey::from(&record),
                    key: key.expose(),
                });
            }
            writeln!(io::stderr(), "{owner}\nkey {}", record.id)?;
            Ok(writeln!(io::stdout(), "{}", key.expose())?)
        }
        KeysCommand::List { table: name, owner } => {
            let records = table(sdk, name).api_keys(owner.owner()).await?;
            let keys: Vec<_> = records.iter().map(ListedKey::from).collect();
            if json {
                return print_json(&keys);
            }
            let rows = keys.iter().map(ListedKey::row).collect::<Vec<_>>();
            let head = [
                "KEY", "ENDS", "SCOPE", "CREATED", "EXPIRES", "REVOKED", "LABEL",
            ];
            print_table(head, &rows)
        }
        KeysCommand::Revoke {
            table: name,
            owner,
            key,
        } => match keys::revoke(&table(sdk, name), owner.owner(), key, now).await? {
            Revocation::Missing => Err(format!(
                "{} has no key {key} (a new key may take a second to appear)",
                in_words(owner.owner())
            )
            .into()),
            Revocation::RevokedAt(revoked_at) if json => print_json(&RevokedKey {
                id: key,
                revoked_at,
            }),
            Revocation::RevokedAt(revoked_at) => {
                let at = iso_millis(revoked_at);
                Ok(writeln!(io::stdout(), "key {key} was revoked at {at}")?)
            }
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedKey<'a> {
    #[serde(flatten)]
    listed: ListedKey<'a>,
    key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedKey<'a> {
    /// Null for keys of the platform.
    app_id: Option<AppId>,
    id: KeyId,
    scope: &'static str,
    /// The last four characters of the key.
    ends: &'a str,
    label: &'a str,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis::option")]
    expires_at: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    revoked_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokedKey {
    id: KeyId,
    #[serde(with = "serde_millis")]
    revoked_at: Timestamp,
}

impl<'a> From<&'a ApiKeyRecord> for ListedKey<'a> {
    fn from(record: &'a ApiKeyRecord) -> Self {
        Self {
            app_id: match record.grant.owner() {
                Owner::Platform => None,
                Owner::App(app_id) => Some(app_id),
            },
            id: record.id,
            scope: record.grant.as_str(),
            ends: &record.hint,
            label: &record.label,
            created_at: record.created_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
        }
    }
}

impl ListedKey<'_> {
    fn row(&self) -> [String; 7] {
        let or_dash = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), iso_millis);
        [
            self.id.to_string(),
            format!("…{}", self.ends),
            self.scope.to_owned(),
            iso_millis(self.created_at),
            or_dash(self.expires_at),
            or_dash(self.revoked_at),
            self.label.to_owned(),
        ]
    }
}

fn print_json(value: &impl Serialize) -> Result<(), BoxError> {
    let json = serde_json::to_string_pretty(value)?;
    Ok(writeln!(io::stdout(), "{json}")?)
}

fn print_table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<(), BoxError> {
    let head = head.map(str::to_owned);
    let mut lines = vec![String::new(); rows.len() + 1];
    for column in 0..N {
        let cells = || std::iter::once(&head).chain(rows).map(|row| &row[column]);
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells()) {
            line.push_str(&format!("{cell:width$}  "));
        }
    }
    let mut stdout = io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{}", line.trim_end())?;
    }
    Ok(())
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("must not be empty"),
        text => Ok(text.to_owned()),
    }
}

/// An API key has the form of an app id, and would be printed as one.
fn app_id(text: &str) -> Result<AppId, String> {
    if has_api_key(text) {
        return Err("is an API key, not the id of an app".to_owned());
    }
    AppId::parse(text).map_err(|error| error.to_string())
}

fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).map_err(|_| "must be the key's id, as keys list shows it, not the key")
}

fn label(text: &str) -> Result<String, &'static str> {
    if has_api_key(text) {
        return Err("must not contain an API key, because labels are shown");
    }
    if text.chars().count() > 128 || text.chars().any(char::is_control) {
        return Err("must be at most 128 characters and contain no control characters");
    }
    Ok(text.to_owned())
}
