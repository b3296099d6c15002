//! `secrets sweep`.

use std::io::{self, Write};
use std::time::Duration;

use aws_config::SdkConfig;
use clap::Subcommand;
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use webhook_endpoints::aws::secrets::{RECOVERY_DAYS, Secrets};
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::{AppId, EndpointId};
use webhook_endpoints::domain::time::{iso_millis, serde_millis};
use webhook_endpoints::operator::sweep::{self, Cause, Found, Leftovers};

use crate::{BoxError, TableName, not_empty, print_json, print_table, table};

/// Secrets that are removed at once. Secrets Manager allows 50 such calls a second.
const REMOVALS_AT_ONCE: usize = 10;

#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Remove secrets that were left behind when the creation of an endpoint was
    /// interrupted, and finish interrupted deletions. TABLE_NAME and SECRET_PREFIX must
    /// belong to the same stack, and no other stack may share the prefix: try --dry-run
    /// first.
    Sweep {
        #[command(flatten)]
        table: TableName,
        /// Prefix of the secrets' names.
        #[arg(long, env = "SECRET_PREFIX", value_parser = not_empty)]
        secret_prefix: String,
        /// Minimum age of the secrets and deletions, at least 5m.
        #[arg(long, default_value = "1h", value_parser = age)]
        older_than: Duration,
        /// Show what would be removed without removing anything.
        #[arg(long)]
        dry_run: bool,
        /// Remove what was found even if table and prefix do not seem to belong together.
        #[arg(long)]
        force: bool,
    },
}

pub(crate) async fn run(
    command: SecretsCommand,
    sdk: &SdkConfig,
    json: bool,
) -> Result<(), BoxError> {
    let SecretsCommand::Sweep {
        table: name,
        secret_prefix,
        older_than,
        dry_run,
        force,
    } = command;
    let table = table(sdk, name);
    let client = aws_sdk_secretsmanager::Client::new(sdk);
    let secrets = Secrets::new(client, secret_prefix);
    let now = Clock::system().now();
    let Leftovers {
        found,
        unreadable,
        doubt,
    } = sweep::find(&table, &secrets, older_than, now).await?;
    for item in &unreadable {
        writeln!(io::stderr(), "skipped an unreadable item: {item}")?;
    }
    let swept = if dry_run || (doubt.is_some() && !force) {
        found
            .iter()
            .map(|found| swept(found, Outcome::Found))
            .collect()
    } else {
        remove_all(&table, &secrets, &found).await
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

/// Removes what was found. If that fails for one, continues with the others.
async fn remove_all(table: &Table, secrets: &Secrets, found: &[Found]) -> Vec<SweptSecret> {
    let removals = stream::iter(found).map(async |found| {
        match sweep::remove(table, secrets, found).await {
            Ok(()) => swept(found, Outcome::Removed),
            Err(error) => {
                let id = found.endpoint.endpoint_id;
                // If standard error is closed, the outcome still tells.
                let _ = writeln!(io::stderr(), "{id}: {error}");
                swept(found, Outcome::Failed)
            }
        }
    });
    removals.buffered(REMOVALS_AT_ONCE).collect().await
}

fn swept(found: &Found, outcome: Outcome) -> SweptSecret {
    SweptSecret {
        app_id: found.endpoint.app_id,
        endpoint_id: found.endpoint.endpoint_id,
        created_at: found.created_at,
        cause: found.cause,
        outcome,
    }
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
    /// Not removed, because this is a dry run or was refused.
    Found,
    Removed,
    Failed,
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

fn age(text: &str) -> Result<Duration, String> {
    let age: SignedDuration = text
        .parse()
        .map_err(|_| "must be a duration, such as 90m, 1h or 36h".to_owned())?;
    match Duration::try_from(age) {
        Ok(age) if age >= sweep::MIN_AGE => Ok(age),
        _ => Err("must be at least 5m, because a creation in progress looks the same".to_owned()),
    }
}
