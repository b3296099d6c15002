//! Apps: put, list, get and delete, with a key of the platform.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::body::Body;
use super::error::ApiError;
use super::extract::{AppScope, Caller, NO_APP};
use super::keys::in_use;
use super::name_list::NameList;
use super::query::QueryParameters;
use super::{Api, success};
use crate::aws::table::AppPut;
use crate::domain::app::{App, AppChange, Metadata, parse_metadata, parse_name};
use crate::domain::id::AppId;
use crate::domain::message::{AppDeletion, Lane, Message};
use crate::domain::scope::Owner;
use crate::domain::time::serde_millis;

pub(super) const BEING_DELETED: ApiError = ApiError::conflict("The app is being deleted.");

/// An app as all calls return it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: AppId,
    name: Option<&'a str>,
    metadata: &'a Metadata,
    status: &'static str,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
}

/// The response of get.
#[derive(Serialize)]
struct Counted<'a> {
    #[serde(flatten)]
    app: Shown<'a>,
    endpoints: u32,
    keys: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    items: Vec<Shown<'a>>,
    next_cursor: Option<String>,
}

impl<'a> From<&'a App> for Shown<'a> {
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

/// `PUT /apps/{appId}`. One `UpdateItem`.
pub(super) async fn put(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
    body: Body,
) -> Result<Response, ApiError> {
    let change = parse_change(body)?;
    let table = &api.stores.table;
    let (status, app) = match table.put_app(app_id, &change, api.clock.now()).await? {
        AppPut::Created(app) => (StatusCode::CREATED, app),
        AppPut::Changed(app) => (StatusCode::OK, app),
        AppPut::Deleting => return Err(BEING_DELETED),
    };
    Ok((status, success(Shown::from(&app))).into_response())
}

/// `GET /apps/{appId}`. Two concurrent calls: `GetItem` of the app and `Query` of its keys.
pub(super) async fn get(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
) -> Result<Response, ApiError> {
    let table = &api.stores.table;
    let (app, keys) = tokio::try_join!(table.app(app_id), table.api_keys(Owner::App(app_id)))?;
    let app = app.ok_or(NO_APP)?;
    Ok(success(Counted {
        app: Shown::from(&app),
        endpoints: app.endpoint_count,
        keys: in_use(&keys, api.clock.now()).count(),
    }))
}

/// `DELETE /apps/{appId}`. `UpdateItem`, which marks the app as deleted; a `Query` of its keys and
/// an `UpdateItem` for each, which revoke them; and a `SendMessage`. The delivery function does the
/// rest. If a call fails, a repeated call or the next sweep continues from the mark.
pub(super) async fn delete(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
) -> Result<Response, ApiError> {
    let (table, now) = (&api.stores.table, api.clock.now());
    let app = table.mark_app_deleted(app_id, now).await?.ok_or(NO_APP)?;
    table.revoke_keys_of(app_id, now).await?;
    let message = Message::DeleteApp(AppDeletion { app_id });
    api.stores.queues.send(Lane::Slow, &message).await?;
    Ok((StatusCode::ACCEPTED, success(Shown::from(&app))).into_response())
}

/// `GET /apps`. One `Query`.
pub(super) async fn list(
    State(api): State<Api>,
    Caller(_): Caller,
    mut query: QueryParameters,
) -> Result<Response, ApiError> {
    let prefix = query.read("prefix", |text| {
        AppId::parse(text).map_err(|_| "must be 1 to 64 letters, digits, hyphens and underscores")
    });
    let prefix = prefix.as_ref().map_or("", AppId::as_str);
    let list = NameList {
        of: "apps/1",
        filters: &[prefix],
    };
    let wanted = list.page(query, |last| AppId::parse(last).ok())?;
    let table = &api.stores.table;
    let page = table.apps(prefix, wanted.after, wanted.limit).await?;
    Ok(success(Page {
        items: page.apps.iter().map(Shown::from).collect(),
        next_cursor: page.next.map(|last| list.cursor_after(last.as_str())),
    }))
}

/// Fields that put ignores, so that a client can change what get returned and send it back.
const READ_ONLY: [&str; 6] = [
    "id",
    "status",
    "createdAt",
    "updatedAt",
    "endpoints",
    "keys",
];

fn parse_change(mut body: Body) -> Result<AppChange, ApiError> {
    body.ignore(&READ_ONLY);
    let change = AppChange {
        name: body.string_or_null("name", parse_name),
        metadata: body
            .raw("metadata")
            .and_then(|json| body.check_all(parse_metadata(json.get()))),
    };
    body.finish(Some(change))
}
