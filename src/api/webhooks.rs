//! Webhook endpoints: create, list, get, update, delete.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use tracing::warn;

use super::body::Body;
use super::error::ApiError;
use super::extract::{AppScope, EndpointScope, NO_ENDPOINT, PartialAppScope};
use super::query::QueryParameters;
use super::webhook_body::{parse_new, parse_patch};
use super::{Api, own_headers, secrets, success};
use crate::aws::table::Marked;
use crate::domain::app::Metadata;
use crate::domain::channel::Channels;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::filter::Filter;
use crate::domain::id::EndpointId;
use crate::domain::message::{Lane, Message, Tend};
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::serde_millis;

/// The response of create. Besides rotate's, it is the only one with the secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: EndpointId,
    url: &'a str,
    events: Vec<&'a str>,
    active: bool,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    secret: &'a str,
}

/// The response of get. A field that an update can't set must be in
/// [`super::webhook_body::READ_ONLY`], so that a client can send back what it got.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    endpoint: Listed<'a>,
    rate_limit: Option<u16>,
    description: Option<&'a str>,
    metadata: &'a Metadata,
    channels: Option<&'a Channels>,
    filter: Option<&'a Filter>,
    #[serde(with = "serde_millis::option")]
    inactive_since: Option<Timestamp>,
    disabled_reason: Option<&'static str>,
    #[serde(with = "serde_millis::option")]
    disabled_at: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    slow_since: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    failing_since: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    paused_at: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    next_probe_at: Option<Timestamp>,
    #[serde(with = "serde_millis::option")]
    previous_secret_expires_at: Option<Timestamp>,
    header_names: &'a [String],
}

/// An endpoint in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: EndpointId,
    url: &'a str,
    events: Vec<&'a str>,
    active: bool,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
}

/// The response of update.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated<'a> {
    id: EndpointId,
    url: &'a str,
    events: Vec<&'a str>,
    active: bool,
    #[serde(with = "serde_millis")]
    updated_at: Timestamp,
}

impl<'a> From<&'a Endpoint> for Listed<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            id: endpoint.key.endpoint_id,
            url: endpoint.url.as_str(),
            events: endpoint.events.iter().collect(),
            active: endpoint.active,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

impl<'a> Shown<'a> {
    fn at(now: Timestamp, endpoint: &'a Endpoint) -> Self {
        let previous_secret = endpoint.previous_secret_at(now);
        Self {
            endpoint: Listed::from(endpoint),
            rate_limit: endpoint.rate_limit.map(RateLimit::per_second),
            description: endpoint.labels.description.as_deref(),
            metadata: &endpoint.labels.metadata,
            channels: Some(&endpoint.channels).filter(|channels| !channels.is_empty()),
            filter: endpoint.filter.as_ref(),
            inactive_since: endpoint.inactive_since,
            disabled_reason: endpoint.disabled.map(|disabled| disabled.reason.as_str()),
            disabled_at: endpoint.disabled.map(|disabled| disabled.at),
            slow_since: endpoint.health.slow_since,
            failing_since: endpoint.health.failing.map(|failing| failing.since),
            paused_at: endpoint.health.pause.map(|pause| pause.since),
            next_probe_at: endpoint.health.pause.and_then(|pause| pause.probe_at),
            previous_secret_expires_at: previous_secret.map(|previous| previous.until),
            header_names: endpoint
                .headers
                .as_ref()
                .map_or(&[], |headers| &headers.names),
        }
    }
}

/// `POST /apps/{appId}/webhooks`. Three calls if each endpoint has a secret in Secrets Manager:
/// `GetItem` of the app's endpoint count, `CreateSecret`, `TransactWriteItems`. The `GetItem` keeps
/// an app at its limit from creating secrets; the transaction enforces the limit, because other
/// requests may create endpoints at the same time. One call if secrets are sealed,
/// `TransactWriteItems`, once this process has the sealing key. With strict event types, first a
/// `GetItem`, whose result is cached for a minute.
pub(super) async fn create(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
    body: Body,
) -> Result<Response, ApiError> {
    let (creation, positions) = parse_new(body, api.address_policy)?;
    let events = &creation.new.events;
    api.must_know_all_of(app_id, events, &positions).await?;
    let key = EndpointKey {
        app_id,
        endpoint_id: EndpointId::new(),
    };
    let (endpoint, secret) = secrets::create(&api, key, creation).await?;
    let secret = secret.to_text();
    let data = Created {
        id: key.endpoint_id,
        url: endpoint.url.as_str(),
        events: endpoint.events.iter().collect(),
        active: endpoint.active,
        created_at: endpoint.created_at,
        secret: secret.expose_secret(),
    };
    Ok((StatusCode::CREATED, success(data)).into_response())
}

/// Which fields of each endpoint a list shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Basic,
    Full,
}

/// `GET /apps/{appId}/webhooks`. One `Query`, or one `GetItem` if the caller is limited to one
/// endpoint.
pub(super) async fn list(
    State(api): State<Api>,
    PartialAppScope { app_id, only }: PartialAppScope,
    mut query: QueryParameters,
) -> Result<Response, ApiError> {
    let view = query.read("view", |text| match text {
        "full" => Ok(View::Full),
        _ => Err("must be full"),
    });
    query.finish()?;
    let table = &api.stores.table;
    let endpoints = match only {
        None => table.endpoints(app_id).await?,
        Some(endpoint_id) => {
            let key = EndpointKey {
                app_id,
                endpoint_id,
            };
            table.endpoint(key).await?.into_iter().collect()
        }
    };
    let now = api.clock.now();
    let endpoints = endpoints.iter();
    Ok(match view.unwrap_or(View::Basic) {
        View::Basic => success(endpoints.map(Listed::from).collect::<Vec<_>>()),
        View::Full => {
            let shown = endpoints.map(|endpoint| Shown::at(now, endpoint));
            success(shown.collect::<Vec<_>>())
        }
    })
}

/// `GET /apps/{appId}/webhooks/{webhookId}`. One `GetItem`.
pub(super) async fn get(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
) -> Result<Response, ApiError> {
    let endpoint = api.stores.table.endpoint(key).await?.ok_or(NO_ENDPOINT)?;
    Ok(success(Shown::at(api.clock.now(), &endpoint)))
}

/// `PUT /apps/{appId}/webhooks/{webhookId}`. One `UpdateItem`, or `TransactWriteItems` and
/// `GetItem` if it sets headers. If deliveries wait for the endpoint, a `SendMessage`. With strict
/// event types, first a `GetItem` if it sets events, as in create.
pub(super) async fn update(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    body: Body,
) -> Result<Response, ApiError> {
    let (patch, positions, headers) = parse_patch(body, api.address_policy)?;
    if let Some(events) = &patch.events {
        api.must_know_all_of(key.app_id, events, &positions).await?;
    }
    let endpoint = own_headers::update(&api, key, &patch, headers).await?;
    if endpoint.place.is_some() {
        check_waiting(&api, key).await;
    }
    Ok(success(Updated {
        id: endpoint.key.endpoint_id,
        url: endpoint.url.as_str(),
        events: endpoint.events.iter().collect(),
        active: endpoint.active,
        updated_at: endpoint.updated_at,
    }))
}

/// Enqueues a check of the deliveries that wait for a paused endpoint, because the endpoint
/// changed: they may be due now, or have to end.
///
/// Only logs a failure, because the schedule makes the same check within minutes. The deliveries of
/// a deleted endpoint, which nobody can see anymore, end when the next probe would be due, or
/// expire.
async fn check_waiting(api: &Api, endpoint: EndpointKey) {
    let message = Message::Tend(Tend::now(endpoint));
    if let Err(error) = api.stores.queues.send(Lane::Slow, &message).await {
        warn!(%error, "failed to enqueue a check of waiting deliveries");
    }
}

/// `DELETE /apps/{appId}/webhooks/{webhookId}`. One call, `TransactWriteItems`, if the secret is
/// sealed and no deliveries wait for the endpoint. Otherwise `UpdateItem`, which marks the endpoint
/// as deleted so that nobody finds it anymore; `DeleteSecret` unless the secret is sealed; and
/// `TransactWriteItems`. If deliveries wait for the endpoint, a `SendMessage` to end them.
///
/// If a deletion is interrupted, a repeated call completes it, and always sends that message.
pub(super) async fn delete(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
) -> Result<Response, ApiError> {
    if secrets::delete_at_once(&api, key).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let table = &api.stores.table;
    let Marked::Done {
        had_waiting,
        is_sealed,
    } = table.mark_endpoint_deleted(key, api.clock.now()).await?
    else {
        return Err(NO_ENDPOINT);
    };
    if had_waiting {
        check_waiting(&api, key).await;
    }
    // The secret goes before the item. If this function ends in between, the marked item remains,
    // and a repeated call or the sweep can tell which secret to delete.
    if !is_sealed {
        api.stores.secrets.delete(key).await?;
    }
    table.remove_endpoint(key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
