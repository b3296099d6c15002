//! The initial app, its keys, and a link to the portal.

use std::path::Path;
use std::time::Duration;

use local::service;
use serde::{Deserialize, Serialize};
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::app::AppChange;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::session::{NewSession, SessionScope, portal_link};
use webhook_endpoints::operator::sessions::{self, CreateSessionError};

use crate::BoxError;

/// The initial app and its keys. Saved as `app.json` in the data directory.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seed {
    pub(crate) app_id: AppId,
    pub(crate) api_key: String,
    /// Missing in files of earlier versions.
    #[serde(default)]
    pub(crate) platform_key: Option<String>,
}

/// Loads the app and the keys of an earlier run from `data_dir`. Creates what is missing.
pub(crate) async fn seed(data_dir: Option<&Path>, table: &Table) -> Result<Seed, BoxError> {
    let file = data_dir.map(|dir| dir.join("app.json"));
    let mut seed = match file.as_deref().filter(|file| file.exists()) {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        None => {
            let (app_id, key) = (AppId::new(), service::new_key());
            service::seed_key(table, app_id, &key).await?;
            Seed {
                app_id,
                api_key: key.expose().to_owned(),
                platform_key: None,
            }
        }
    };
    if seed.platform_key.is_some() {
        return Ok(seed);
    }
    let key = service::new_platform_key();
    service::seed_platform_key(table, &key).await?;
    seed.platform_key = Some(key.expose().to_owned());
    if let Some(file) = file {
        std::fs::write(file, serde_json::to_vec_pretty(&seed)?)?;
    }
    Ok(seed)
}

/// Creates a link that opens the customer portal for the initial app, for a week. Creates the app
/// first, because a session needs one.
pub(crate) async fn portal(table: &Table, app_id: AppId, api: &str) -> Result<String, BoxError> {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    let now = Clock::system().now();
    table.put_app(app_id, &AppChange::default(), now).await?;
    let new = NewSession {
        app_id,
        scope: SessionScope::Manage,
        endpoint: None,
        lifetime: WEEK,
    };
    match sessions::create(table, new, now).await {
        Ok((token, _)) => Ok(portal_link(api, app_id, &token)),
        // The developer deleted the app, and may be using another one.
        Err(CreateSessionError::AppDeleting(_)) => Ok(format!("{api}/portal/")),
        Err(error) => Err(error.into()),
    }
}
