//! The `export` command.

use std::io::{self, BufWriter, Write};

use clap::Args;
use serde_json::Value;
use webhook_endpoints::domain::id::AppId;

use crate::BoxError;
use crate::arguments::app_id;
use crate::platform_api::{ApiAddress, CallError, Fields, PlatformApi};

#[derive(Args)]
pub(crate) struct ExportCommand {
    #[command(flatten)]
    api: ApiAddress,
    /// Export only the endpoints of this app. Can be repeated. By default, exports those of all
    /// apps that were created.
    #[arg(long = "app", value_parser = app_id)]
    apps: Vec<AppId>,
}

/// Prints one JSON object per line. It contains neither signing secrets nor values of headers,
/// because the API never returns them.
pub(crate) async fn run(command: ExportCommand) -> Result<(), BoxError> {
    let mut api = PlatformApi::new(command.api)?;
    let mut out = BufWriter::new(io::stdout());
    if !command.apps.is_empty() {
        print(&mut api, command.apps, &mut out).await?;
        return Ok(out.flush()?);
    }
    let mut cursor = None;
    loop {
        let page = api.apps(cursor.as_deref()).await;
        let (apps, next) = page.map_err(|error| error.describe())?;
        print(&mut api, apps, &mut out).await?;
        cursor = next;
        if cursor.is_none() {
            return Ok(out.flush()?);
        }
    }
}

async fn print(
    api: &mut PlatformApi,
    apps: Vec<AppId>,
    out: &mut impl Write,
) -> Result<(), BoxError> {
    for app_id in apps {
        let endpoints = api.endpoints(app_id).await;
        let endpoints = endpoints.map_err(|error| in_app(app_id, &error))?;
        let endpoints = endpoints.ok_or_else(|| format!("app {app_id} does not exist"))?;
        // The API lists the newest endpoint first. Print the oldest first, so that an import
        // creates them in the original order.
        for endpoint in endpoints.into_iter().rev() {
            let app = Value::String(app_id.to_string());
            let line: Fields = [("appId".to_owned(), app)]
                .into_iter()
                .chain(endpoint)
                .collect();
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
        }
    }
    Ok(())
}

fn in_app(app_id: AppId, error: &CallError) -> String {
    format!("app {app_id}: {}", error.describe())
}
