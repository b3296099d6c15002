//! The `apps` command.

use std::io::{self, Write};

use aws_config::SdkConfig;
use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use webhook_endpoints::aws::table::{AppPut, Table};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::app::{App, AppChange, Metadata, parse_metadata, parse_name};
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::time::{iso_millis, serde_millis};

use crate::BoxError;
use crate::arguments::{TableName, app_id, table};
use crate::errors::join;
use crate::output::{print_json, print_table};

/// How many apps a page has.
const PAGE: usize = 100;

#[derive(Subcommand)]
pub(crate) enum AppsCommand {
    /// Create an app or change it.
    Put {
        #[command(flatten)]
        table: TableName,
        /// Id of the app.
        #[arg(long, value_parser = app_id)]
        app: AppId,
        /// A name for people.
        #[arg(long, value_parser = parse_name)]
        name: Option<String>,
        /// The platform's notes about the app: a JSON object of strings, which replaces the
        /// previous one.
        #[arg(long, value_parser = metadata)]
        metadata: Option<Metadata>,
    },
    /// Delete an app. Its keys stop working at once. The next sweep starts to delete its
    /// endpoints, secrets and history in the background.
    Delete {
        #[command(flatten)]
        table: TableName,
        /// Id of the app.
        #[arg(long, value_parser = app_id)]
        app: AppId,
    },
    /// List the apps that were created.
    List {
        #[command(flatten)]
        table: TableName,
        /// List only apps whose ids begin with this.
        #[arg(long, value_parser = app_id)]
        prefix: Option<AppId>,
    },
}

impl AppsCommand {
    pub(crate) fn table_name(&self) -> &str {
        match self {
            Self::Put { table, .. } | Self::Delete { table, .. } | Self::List { table, .. } => {
                &table.table_name
            }
        }
    }
}

pub(crate) async fn run(command: AppsCommand, sdk: &SdkConfig, json: bool) -> Result<(), BoxError> {
    match command {
        AppsCommand::Put {
            table: name,
            app: id,
            name: app_name,
            metadata,
        } => {
            let change = AppChange {
                name: app_name.map(Some),
                metadata,
            };
            let now = Clock::system().now();
            let (app, done) = match table(sdk, name).put_app(id, &change, now).await? {
                AppPut::Created(app) => (app, "created"),
                AppPut::Changed(app) => (app, "changed"),
                AppPut::Deleting => return Err(format!("app {id} is being deleted").into()),
            };
            match json {
                true => print_json(&ListedApp::from(&app)),
                false => Ok(writeln!(io::stdout(), "app {id} was {done}")?),
            }
        }
        AppsCommand::Delete {
            table: name,
            app: id,
        } => {
            let (table, now) = (table(sdk, name), Clock::system().now());
            let marked = table.mark_app_deleted(id, now).await?;
            let app = marked.ok_or_else(|| format!("app {id} was never created"))?;
            table.revoke_keys_of(id, now).await?;
            match json {
                true => print_json(&ListedApp::from(&app)),
                false => Ok(writeln!(io::stdout(), "app {id} is being deleted")?),
            }
        }
        AppsCommand::List {
            table: name,
            prefix,
        } => {
            let prefix = prefix.as_ref().map_or("", AppId::as_str);
            let apps = all(&table(sdk, name), prefix).await?;
            let apps: Vec<_> = apps.iter().map(ListedApp::from).collect();
            if json {
                return print_json(&apps);
            }
            let rows: Vec<_> = apps.iter().map(ListedApp::row).collect();
            print_table(["APP", "STATUS", "CREATED", "NAME"], &rows)
        }
    }
}

fn metadata(json: &str) -> Result<Metadata, String> {
    parse_metadata(json).map_err(|errors| join(&errors))
}

async fn all(table: &Table, prefix: &str) -> Result<Vec<App>, BoxError> {
    let (mut apps, mut after) = (Vec::new(), None);
    loop {
        let page = table.apps(prefix, after, PAGE).await?;
        apps.extend(page.apps);
        after = page.next;
        if after.is_none() {
            return Ok(apps);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedApp<'a> {
    id: AppId,
    name: Option<&'a str>,
    metadata: &'a Metadata,
    status: &'static str,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
}

impl<'a> From<&'a App> for ListedApp<'a> {
    fn from(app: &'a App) -> Self {
        Self {
            id: app.id,
            name: app.name.as_deref(),
            metadata: &app.metadata,
            status: app.status(),
            created_at: app.created_at,
            updated_at: app.updated_at,
        }
    }
}

impl ListedApp<'_> {
    fn row(&self) -> [String; 4] {
        [
            self.id.to_string(),
            self.status.to_owned(),
            iso_millis(self.created_at),
            self.name.unwrap_or("-").to_owned(),
        ]
    }
}
