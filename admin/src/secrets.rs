//! The `secrets` command: `sweep`, `migrate` and `rotate-sealing-key`.

use std::io::{self, Write};
use std::time::Duration;

use aws_config::SdkConfig;
use clap::Subcommand;
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use webhook_endpoints::aws::SecretStores;
use webhook_endpoints::aws::secrets::{RECOVERY_DAYS, SecretOf, Secrets};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::{AppId, EndpointId, SealingKeyId};
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::time::{iso_millis, serde_millis};
use webhook_endpoints::operator::moves::{self, Event, KeyRotation, Summary};
use webhook_endpoints::operator::sweep::{self, Cause, Found, Leftovers};

use crate::BoxError;
use crate::arguments::{TableName, not_empty, table};
use crate::output::{print_json, print_table};

/// How many secrets to remove at the same time. Secrets Manager allows 50 `DeleteSecret` calls a
/// second.
const REMOVALS_AT_ONCE: usize = 10;

#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Remove secrets that interrupted creations of endpoints left behind, and finish interrupted
    /// deletions. TABLE_NAME and SECRET_PREFIX must belong to the same stack, and no other stack
    /// may use the same prefix. Try --dry-run first.
    Sweep {
        #[command(flatten)]
        table: TableName,
        /// Prefix of the secrets' names.
        #[arg(long, env = "SECRET_PREFIX", value_parser = not_empty)]
        secret_prefix: String,
        /// Minimum age of the secrets and deletions. At least 5m.
        #[arg(long, default_value = "1h", value_parser = age)]
        older_than: Duration,
        /// Show what would be removed without removing anything.
        #[arg(long)]
        dry_run: bool,
        /// Remove them even if the table and the prefix do not seem to belong together.
        #[arg(long)]
        force: bool,
    },
    /// Move all signing secrets to where new ones are kept. The secrets themselves do not change,
    /// and deliveries continue. If it is interrupted, run it again.
    Migrate {
        #[command(flatten)]
        table: TableName,
        /// Prefix of the secrets' names.
        #[arg(long, env = "SECRET_PREFIX", value_parser = not_empty)]
        secret_prefix: String,
        /// Where to: PerEndpoint or Sealed.
        #[arg(long, env = "SECRET_STORAGE", value_parser = secret_storage)]
        to: SecretStorage,
    },
    /// Create a new key pair, seal all sealed signing secrets to it, and remove the old private
    /// key. Deliveries continue. If it is interrupted, run it again.
    RotateSealingKey {
        #[command(flatten)]
        table: TableName,
        /// Prefix of the secrets' names.
        #[arg(long, env = "SECRET_PREFIX", value_parser = not_empty)]
        secret_prefix: String,
    },
}

impl SecretsCommand {
    pub(crate) fn table_name(&self) -> &str {
        match self {
            Self::Sweep { table, .. }
            | Self::Migrate { table, .. }
            | Self::RotateSealingKey { table, .. } => &table.table_name,
        }
    }
}

pub(crate) async fn run(
    command: SecretsCommand,
    sdk: &SdkConfig,
    json: bool,
) -> Result<(), BoxError> {
    let now = Clock::system().now();
    match command {
        SecretsCommand::Sweep {
            table,
            secret_prefix,
            older_than,
            dry_run,
            force,
        } => {
            let stores = stores(sdk, table, secret_prefix);
            let leftovers = sweep::find(&stores, older_than, now).await?;
            sweep_up(&stores, leftovers, dry_run, force, json).await
        }
        SecretsCommand::Migrate {
            table,
            secret_prefix,
            to,
        } => {
            let stores = stores(sdk, table, secret_prefix);
            let summary = moves::migrate(&stores, to, now, report).await?;
            match json {
                true => print_json(&summary)?,
                false => writeln!(io::stdout(), "{}", describe(&summary))?,
            }
            must_be_complete(&summary)
        }
        SecretsCommand::RotateSealingKey {
            table,
            secret_prefix,
        } => {
            let stores = stores(sdk, table, secret_prefix);
            let rotation = moves::rotate_sealing_key(&stores, now, report).await?;
            match json {
                true => print_json(&rotation)?,
                false => print_rotation(&rotation)?,
            }
            must_be_complete(&rotation.summary)
        }
    }
}

fn stores(sdk: &SdkConfig, name: TableName, secret_prefix: String) -> SecretStores {
    let client = aws_sdk_secretsmanager::Client::new(sdk);
    SecretStores::new(table(sdk, name), Secrets::new(client, secret_prefix))
}

/// Reports progress on standard error. Ignores failures to write, because the result is printed
/// at the end.
fn report(event: Event) {
    let mut stderr = io::stderr();
    let _ = match event {
        Event::Progress(summary) if summary.endpoints == 0 => Ok(()),
        Event::Progress(summary) => writeln!(stderr, "so far: {}", describe(&summary)),
        Event::Failed(endpoint, error) => writeln!(stderr, "{}: {error}", endpoint.endpoint_id),
        Event::Unreadable(item) => writeln!(stderr, "skipped an unreadable item: {item}"),
    };
}

fn describe(summary: &Summary) -> String {
    let Summary {
        endpoints,
        moved,
        failed,
        unreadable,
    } = summary;
    format!("{endpoints} endpoints, {moved} moved, {failed} failed, {unreadable} unreadable")
}

fn print_rotation(rotation: &KeyRotation) -> Result<(), BoxError> {
    let mut stdout = io::stdout();
    let verb = if rotation.resumed {
        "was already"
    } else {
        "is now"
    };
    writeln!(stdout, "the sealing key {verb} {}", rotation.key)?;
    if let Some(old) = rotation.replaced {
        writeln!(stdout, "{}", describe(&rotation.summary))?;
        if rotation.retired {
            writeln!(
                stdout,
                "{old} was removed; it can be restored for {RECOVERY_DAYS} days"
            )?;
        }
    }
    Ok(())
}

fn must_be_complete(summary: &Summary) -> Result<(), BoxError> {
    match summary.failed + summary.unreadable {
        0 => Ok(()),
        count => Err(format!("{count} were not moved, see above; run this again").into()),
    }
}

async fn sweep_up(
    stores: &SecretStores,
    leftovers: Leftovers,
    dry_run: bool,
    force: bool,
    json: bool,
) -> Result<(), BoxError> {
    let Leftovers {
        found,
        unreadable,
        doubt,
    } = leftovers;
    for item in &unreadable {
        writeln!(io::stderr(), "skipped an unreadable item: {item}")?;
    }
    let swept = if dry_run || (doubt.is_some() && !force) {
        found
            .iter()
            .map(|found| swept(found, Outcome::Found))
            .collect()
    } else {
        remove_all(stores, &found).await
    };
    if json {
        print_json(&swept)?;
    } else {
        let rows = swept.iter().map(SweptSecret::row).collect::<Vec<_>>();
        print_table(["APP", "ENDPOINT", "CREATED", "CAUSE", "OUTCOME"], &rows)?;
    }
    if let Some(doubt) = doubt.filter(|_| !force) {
        let refused = format!(
            "{doubt}. If TABLE_NAME and SECRET_PREFIX do belong to the same stack, repeat this \
             with --force"
        );
        return match dry_run {
            true => Ok(writeln!(io::stderr(), "warning: {refused}")?),
            false => Err(format!("nothing was removed: {refused}").into()),
        };
    }
    let failed = swept
        .iter()
        .filter(|swept| swept.outcome == Outcome::Failed);
    match failed.count() {
        0 => Ok(()),
        count => Err(format!("failed to remove {count}; run the sweep again").into()),
    }
}

/// Removes everything found. If one removal fails, continues with the others.
async fn remove_all(stores: &SecretStores, found: &[Found]) -> Vec<SweptSecret> {
    let now = Clock::system().now();
    let removals = stream::iter(found).map(async |found| {
        match sweep::remove(stores, found, now).await {
            Ok(()) => swept(found, Outcome::Removed),
            Err(error) => {
                let swept = swept(found, Outcome::Failed);
                // If standard error is closed, the table of outcomes still shows the failure.
                let _ = writeln!(io::stderr(), "{}: {error}", swept.name());
                swept
            }
        }
    });
    removals.buffered(REMOVALS_AT_ONCE).collect().await
}

fn swept(found: &Found, outcome: Outcome) -> SweptSecret {
    let (endpoint, sealing_key) = match found.of {
        SecretOf::Endpoint(endpoint) => (Some(endpoint), None),
        SecretOf::SealingKey(id) => (None, Some(id)),
    };
    SweptSecret {
        app_id: endpoint.map(|endpoint| endpoint.app_id),
        endpoint_id: endpoint.map(|endpoint| endpoint.endpoint_id),
        sealing_key,
        created_at: found.created_at,
        cause: found.cause,
        outcome,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SweptSecret {
    app_id: Option<AppId>,
    endpoint_id: Option<EndpointId>,
    sealing_key: Option<SealingKeyId>,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    cause: Cause,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// Not removed, because this is a dry run or was refused.
    Found,
    Removed,
    Failed,
}

impl SweptSecret {
    /// The endpoint or the sealing key that the secret belongs to.
    fn name(&self) -> String {
        let endpoint = self.endpoint_id.map(|id| id.to_string());
        let key = self.sealing_key.map(|id| format!("sealing key {id}"));
        endpoint.or(key).unwrap_or_default()
    }

    fn row(&self) -> [String; 5] {
        let outcome = match (self.outcome, self.cause) {
            (Outcome::Found, _) => "found".to_owned(),
            (Outcome::Failed, _) => "failed".to_owned(),
            (Outcome::Removed, Cause::DeletionInterrupted) => "removed".to_owned(),
            (Outcome::Removed, Cause::NoEndpoint | Cause::Moved | Cause::UnusedKey) => {
                format!("removed; can be restored for {RECOVERY_DAYS} days")
            }
        };
        [
            self.app_id.map_or("-".to_owned(), |id| id.to_string()),
            self.name(),
            iso_millis(self.created_at),
            self.cause.to_string(),
            outcome,
        ]
    }
}

fn secret_storage(text: &str) -> Result<SecretStorage, &'static str> {
    SecretStorage::parse(text).ok_or("must be PerEndpoint or Sealed")
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
