//! API keys of apps, for the platform: create, list, revoke.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::apps::BEING_DELETED;
use super::body::Body;
use super::error::ApiError;
use super::extract::{AppScope, KeyScope, NO_APP, NO_KEY};
use super::{Api, success};
use crate::aws::table::KeyCreated;
use crate::domain::api_key::{ApiKey, ApiKeyRecord, DEFAULT_PREFIX, KeyKind, NewKey};
use crate::domain::app::{MAX_KEYS_PER_APP, parse_name};
use crate::domain::id::{AppId, KeyId};
use crate::domain::scope::{Grant, Owner, Scope};
use crate::domain::time::{self, serde_millis};

const APP_IS_FULL: ApiError = ApiError::conflict("The app already has 100 API keys, the maximum.");

/// A key in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: KeyId,
    scope: &'static str,
    label: &'a str,
    /// Its last four characters.
    ends: &'a str,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis::option")]
    expires_at: Option<Timestamp>,
}

/// The response of create, the only one that contains the key itself.
#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    key: &'a str,
}

impl<'a> From<&'a ApiKeyRecord> for Listed<'a> {
    fn from(record: &'a ApiKeyRecord) -> Self {
        Self {
            id: record.id,
            scope: record.grant.as_str(),
            label: &record.label,
            ends: &record.hint,
            created_at: record.created_at,
            expires_at: record.expires_at,
        }
    }
}

/// The keys that are neither revoked nor expired.
pub(super) fn in_use(keys: &[ApiKeyRecord], now: Timestamp) -> impl Iterator<Item = &ApiKeyRecord> {
    keys.iter().filter(move |key| key.is_in_use(now))
}

/// `POST /apps/{appId}/keys`. Three calls: concurrent `GetItem` of the app and `Query` of its keys,
/// then `TransactWriteItems`, which checks the app again, because a deletion may come in between.
/// Concurrent calls may exceed the limit of keys by a few.
pub(super) async fn create(
    State(api): State<Api>,
    app: AppScope,
    body: Body,
) -> Result<Response, ApiError> {
    let app_id = app.for_keys()?;
    let now = api.clock.now();
    let new = parse(body, app_id, now)?;
    let table = &api.stores.table;
    let (app, keys) = tokio::try_join!(table.app(app_id), table.api_keys(Owner::App(app_id)))?;
    if app.ok_or(NO_APP)?.deleted_at.is_some() {
        return Err(BEING_DELETED);
    }
    if in_use(&keys, now).count() >= MAX_KEYS_PER_APP {
        return Err(APP_IS_FULL);
    }
    let key = ApiKey::generate(DEFAULT_PREFIX, KeyKind::App, &mut rand::rng());
    let key = key.map_err(ApiError::internal)?;
    let record = ApiKeyRecord::new(&key, new, now);
    match table.create_api_key(app_id, &record).await? {
        KeyCreated::Done => {}
        // The app existed a moment ago, so it is being deleted or already gone.
        KeyCreated::NoApp | KeyCreated::AppDeleting => return Err(BEING_DELETED),
        KeyCreated::NoEndpoint => return Err(ApiError::internal("an app's key names an endpoint")),
    }
    let data = Created {
        listed: Listed::from(&record),
        key: key.expose(),
    };
    Ok((StatusCode::CREATED, success(data)).into_response())
}

/// `GET /apps/{appId}/keys`. Two concurrent calls: `GetItem` of the app and `Query` of its keys.
///
/// The admin command can create keys for an app that was never created. So an app with keys exists.
pub(super) async fn list(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
) -> Result<Response, ApiError> {
    let table = &api.stores.table;
    let (app, keys) = tokio::try_join!(table.app(app_id), table.api_keys(Owner::App(app_id)))?;
    if app.is_none() && keys.is_empty() {
        return Err(NO_APP);
    }
    let listed: Vec<_> = in_use(&keys, api.clock.now()).map(Listed::from).collect();
    Ok(success(listed))
}

/// `DELETE /apps/{appId}/keys/{keyId}`. Two calls: `Query` of the app's keys to find the one with
/// this id, because keys are stored under their hash, and `UpdateItem`.
pub(super) async fn revoke(
    State(api): State<Api>,
    KeyScope { app_id, key_id }: KeyScope,
) -> Result<Response, ApiError> {
    let (table, now) = (&api.stores.table, api.clock.now());
    let keys = table.api_keys(Owner::App(app_id)).await?;
    let key = in_use(&keys, now).find(|key| key.id == key_id);
    match table.revoke_api_key(&key.ok_or(NO_KEY)?.hash, now).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(NO_KEY),
    }
}

fn parse(mut body: Body, app_id: AppId, now: Timestamp) -> Result<NewKey, ApiError> {
    body.require(&["scope"]);
    let scope = body.string("scope", Scope::parse);
    let label = body.string("label", |text| match text {
        "" => Ok(String::new()),
        text => parse_name(text)
            .map_err(|_| "must be at most 128 characters without control characters"),
    });
    let expires_at = body.string_or_null("expiresAt", |text| match time::parse(text)? {
        // The table stores whole seconds, so compare those.
        at if at.as_second() > now.as_second() => Ok(at),
        _ => Err("must be in the future"),
    });
    body.finish(scope.map(|scope| NewKey {
        grant: Grant::App { app_id, scope },
        label: label.unwrap_or_default(),
        expires_at: expires_at.flatten(),
    }))
}
