//! The `keys` command.

use std::io::{self, Write};

use aws_config::SdkConfig;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::api_key::{ApiKeyRecord, DEFAULT_PREFIX, NewKey};
use webhook_endpoints::domain::id::{AppId, KeyId};
use webhook_endpoints::domain::scope::{Grant, Owner, Scope};
use webhook_endpoints::domain::time::{self, iso_millis, serde_millis};
use webhook_endpoints::operator::keys::{self, Revocation};

use crate::BoxError;
use crate::arguments::{TableName, app_id, table};
use crate::errors::has_api_key;
use crate::output::{print_json, print_table};

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
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
        /// When the key expires, in ISO 8601, such as 2027-01-31T00:00:00Z. By default, never.
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

impl KeysCommand {
    pub(crate) fn table_name(&self) -> &str {
        match self {
            Self::Create { table, .. } | Self::List { table, .. } | Self::Revoke { table, .. } => {
                &table.table_name
            }
        }
    }
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NewOwner {
    /// Id of the app that the key belongs to: 1 to 64 letters, digits, hyphens and
    /// underscores.
    #[arg(long, value_parser = app_id)]
    app: Option<AppId>,
    /// Generate an id for a new app.
    #[arg(long)]
    new_app: bool,
    /// Create a key of the platform, which manages apps, their keys and sessions, and
    /// publishes events in every app.
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
pub(crate) struct KnownOwner {
    /// Id of the app.
    #[arg(long, value_parser = app_id)]
    app: Option<AppId>,
    /// Keys of the platform.
    #[arg(long)]
    platform: bool,
}

impl KnownOwner {
    fn owner(&self) -> Owner {
        self.app.map_or(Owner::Platform, Owner::App)
    }
}

/// The owner of a key, for messages.
fn describe(owner: Owner) -> String {
    match owner {
        Owner::Platform => "the platform".to_owned(),
        Owner::App(app_id) => format!("app {app_id}"),
    }
}

pub(crate) async fn run(command: KeysCommand, sdk: &SdkConfig, json: bool) -> Result<(), BoxError> {
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
            let owner = describe(new.grant.owner());
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
                describe(owner.owner())
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
    /// The last four characters of the key, to recognize it by.
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
