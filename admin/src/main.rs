//! The admin command for operators. It accesses the table and the secrets directly,
//! with the operator's own AWS credentials.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use clap::{Args, Parser, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use webhook_endpoints::aws::secrets::{RECOVERY_DAYS, Secrets};
use webhook_endpoints::aws::{table::Table, timeouts};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::api_key::ApiKeyRecord;
use webhook_endpoints::domain::id::{AppId, EndpointId, KeyId};
use webhook_endpoints::domain::time::{iso_millis, serde_millis};
use webhook_endpoints::operator::keys::{self, Revocation};
use webhook_endpoints::operator::sweep::{self, Cause};

type BoxError = Box<dyn Error + Send + Sync>;

/// Manage API keys and signing secrets of a webhook-endpoints deployment.
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
    /// Manage the API keys of apps.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Clean up the signing secrets of endpoints.
    #[command(subcommand)]
    Secrets(SecretsCommand),
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Create a key and print it to standard output. It cannot be shown again.
    Create {
        #[command(flatten)]
        table: TableName,
        #[command(flatten)]
        owner: Owner,
        /// Prefix of the key, so that people and secret scanners recognize it.
        #[arg(long, default_value = "whk")]
        prefix: String,
        /// A note, such as who holds the key.
        #[arg(long, default_value = "", value_parser = label)]
        label: String,
    },
    /// List an app's keys, including revoked ones.
    List {
        #[command(flatten)]
        table: TableName,
        /// Id of the app.
        #[arg(long, value_parser = AppId::parse)]
        app: AppId,
    },
    /// Revoke a key.
    Revoke {
        #[command(flatten)]
        table: TableName,
        /// Id of the app.
        #[arg(long, value_parser = AppId::parse)]
        app: AppId,
        /// The key's id, as shown by `keys list`.
        #[arg(long, value_parser = KeyId::parse)]
        key: KeyId,
    },
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Remove secrets that were left behind when the creation or deletion of an
    /// endpoint was interrupted. TABLE_NAME and SECRET_PREFIX must belong to the
    /// same stack, and no other stack may share the prefix: try --dry-run first.
    Sweep {
        #[command(flatten)]
        table: TableName,
        /// Prefix of the secrets' names.
        #[arg(long, env = "SECRET_PREFIX", value_parser = not_empty)]
        secret_prefix: String,
        /// Minimum age of the secrets to remove, at least 5m.
        #[arg(long, default_value = "1h", value_parser = age)]
        older_than: Duration,
        /// Show what would be removed without removing anything.
        #[arg(long)]
        dry_run: bool,
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
struct Owner {
    /// Id of the app that the key belongs to: 1 to 64 letters, digits, hyphens and
    /// underscores.
    #[arg(long, value_parser = AppId::parse)]
    app: Option<AppId>,
    /// Generate an id for a new app.
    #[arg(long)]
    new_app: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is nothing left to do.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts())
        .load()
        .await;
    match arguments.command {
        Command::Keys(command) => run_keys(command, &sdk, arguments.json).await,
        Command::Secrets(command) => run_secrets(command, &sdk, arguments.json).await,
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
            prefix,
            label,
        } => {
            let app_id = owner.app.unwrap_or_else(AppId::new);
            let table = table(sdk, name);
            let (key, record) = keys::create(&table, app_id, &prefix, label, now).await?;
            if json {
                return print_json(&CreatedKey {
                    listed: ListedKey::from(&record),
                    key: key.expose(),
                });
            }
            writeln!(io::stderr(), "app {app_id}\nkey {}", record.id)?;
            Ok(writeln!(io::stdout(), "{}", key.expose())?)
        }
        KeysCommand::List { table: name, app } => {
            let records = table(sdk, name).api_keys(app).await?;
            let keys: Vec<_> = records.iter().map(ListedKey::from).collect();
            if json {
                return print_json(&keys);
            }
            let rows = keys.iter().map(ListedKey::row).collect::<Vec<_>>();
            print_table(["KEY", "ENDS", "CREATED", "REVOKED", "LABEL"], &rows)
        }
        KeysCommand::Revoke {
            table: name,
            app,
            key,
        } => match keys::revoke(&table(sdk, name), app, key, now).await? {
            Revocation::Missing => Err(format!(
                "app {app} has no key {key} (a new key may take a second to appear)"
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

async fn run_secrets(command: SecretsCommand, sdk: &SdkConfig, json: bool) -> Result<(), BoxError> {
    let SecretsCommand::Sweep {
        table: name,
        secret_prefix,
        older_than,
        dry_run,
    } = command;
    let table = table(sdk, name);
    let client = aws_sdk_secretsmanager::Client::new(sdk);
    let secrets = Secrets::new(client, secret_prefix);
    let now = Clock::system().now();
    let swept = sweep_all(&table, &secrets, older_than, now, dry_run).await?;
    if json {
        print_json(&swept)?;
    } else {
        let rows = swept.iter().map(SweptSecret::row).collect::<Vec<_>>();
        print_table(["APP", "ENDPOINT", "CREATED", "CAUSE", "OUTCOME"], &rows)?;
    }
    let failed = swept
        .iter()
        .filter(|swept| swept.outcome == Outcome::Failed);
    match failed.count() {
        0 => Ok(()),
        count => Err(format!("failed to remove {count}; run the sweep again").into()),
    }
}

/// Finds and removes leftover secrets. Returns one outcome per secret. If removing a
/// secret fails, or an item can't be read, the sweep continues with the next one.
async fn sweep_all(
    table: &Table,
    secrets: &Secrets,
    older_than: Duration,
    now: Timestamp,
    dry_run: bool,
) -> Result<Vec<SweptSecret>, BoxError> {
    let mut swept = Vec::new();
    let leftovers = sweep::find(table, secrets, older_than, now).await?;
    for item in &leftovers.unreadable {
        writeln!(io::stderr(), "skipped an unreadable item: {item}")?;
    }
    for found in leftovers.found {
        let outcome = if dry_run {
            Outcome::Found
        } else if let Err(error) = sweep::remove(table, secrets, &found).await {
            writeln!(io::stderr(), "{}: {error}", found.endpoint.endpoint_id)?;
            Outcome::Failed
        } else {
            Outcome::Removed
        };
        swept.push(SweptSecret {
            app_id: found.endpoint.app_id,
            endpoint_id: found.endpoint.endpoint_id,
            created_at: found.created_at,
            cause: found.cause,
            outcome,
        });
    }
    Ok(swept)
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
    app_id: AppId,
    id: KeyId,
    /// The last four characters of the key.
    ends: &'a str,
    label: &'a str,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SweptSecret {
    app_id: AppId,
    endpoint_id: EndpointId,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    cause: Cause,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// Not removed, because this is a dry run.
    Found,
    Removed,
    Failed,
}

impl<'a> From<&'a ApiKeyRecord> for ListedKey<'a> {
    fn from(record: &'a ApiKeyRecord) -> Self {
        Self {
            app_id: record.app_id,
            id: record.id,
            ends: &record.hint,
            label: &record.label,
            created_at: record.created_at,
            revoked_at: record.revoked_at,
        }
    }
}

impl ListedKey<'_> {
    fn row(&self) -> [String; 5] {
        let revoked = self.revoked_at.map(iso_millis);
        [
            self.id.to_string(),
            format!("…{}", self.ends),
            iso_millis(self.created_at),
            revoked.unwrap_or_else(|| "-".to_owned()),
            self.label.to_owned(),
        ]
    }
}

impl SweptSecret {
    fn row(&self) -> [String; 5] {
        let outcome = match (self.outcome, self.cause) {
            (Outcome::Found, _) => "found".to_owned(),
            (Outcome::Failed, _) => "failed".to_owned(),
            (Outcome::Removed, Cause::DeletionInterrupted) => "removed".to_owned(),
            (Outcome::Removed, Cause::NoEndpoint) => {
                format!("removed; can be restored for {RECOVERY_DAYS} days")
            }
        };
        [
            self.app_id.to_string(),
            self.endpoint_id.to_string(),
            iso_millis(self.created_at),
            self.cause.to_string(),
            outcome,
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

fn label(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > 128 || text.chars().any(char::is_control) {
        return Err("must be at most 128 characters and contain no control characters");
    }
    Ok(text.to_owned())
}

fn age(text: &str) -> Result<Duration, String> {
    let age: SignedDuration = text
        .parse()
        .map_err(|_| "must be a duration, such as 90m, 1h or 36h".to_owned())?;
    match Duration::try_from(age) {
        Ok(age) if age >= sweep::MIN_AGE => Ok(age),
        _ => Err("must be at least 5m, because a creation in progress looks the same".to_owned()),
    }
}
