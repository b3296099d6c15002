//! Testing a filter against a sample event.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::body::Body;
use super::error::ApiError;
use super::events::{is_shallow, take_channels};
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::webhook_body::take_filter;
use super::{Api, success};
use crate::domain::event_type::EventType;
use crate::domain::filter::{Data, Filter};

/// Whether the event would reach the endpoint, and if not, the field that does not match.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    matches: bool,
    failed_at: Option<String>,
}

/// `POST /apps/{appId}/webhooks/{webhookId}/filter-test`. One `GetItem`. It reads the endpoint even
/// if the request has its own filter, to respond with 404 if there is no such endpoint.
pub(super) async fn filter_test(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    mut body: Body,
) -> Result<Response, ApiError> {
    body.require(&["data"]);
    let event_type = body.string("type", EventType::parse);
    let channels = take_channels(&mut body);
    let filter = take_filter(&mut body);
    let data = body.raw("data");
    let data = data.map(|data| is_shallow(&data).map(|()| data));
    let data = data.and_then(|data| body.check(data));
    let data = body.finish(data)?;
    let found = api.stores.table.endpoint(key).await?;
    let endpoint = found.ok_or(NO_ENDPOINT)?;
    let filter = filter.unwrap_or_else(|| endpoint.filter.clone());
    let is_subscribed = event_type.is_none_or(|wanted| endpoint.events.matches(&wanted));
    let is_in_channel = channels
        .is_none_or(|channels| endpoint.channels.is_empty() || endpoint.channels.meet(&channels));
    let failed_at = match (is_subscribed, is_in_channel) {
        (false, _) => Some("type".to_owned()),
        (true, false) => Some("channels".to_owned()),
        (true, true) => failed_at(filter.as_ref(), data.get())?,
    };
    Ok(success(Outcome {
        matches: failed_at.is_none(),
        failed_at,
    }))
}

fn failed_at(filter: Option<&Filter>, data: &str) -> Result<Option<String>, ApiError> {
    let Some(filter) = filter else {
        return Ok(None);
    };
    let matcher = filter.compile();
    let matcher = matcher.map_err(|_| ApiError::internal("the endpoint's filter is unreadable"))?;
    Ok(matcher.failed_at(&Data::of(data)))
}
