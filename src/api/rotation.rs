//! Rotating the signing secret of an endpoint, and ending the overlap of a rotation.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::body::Body;
use super::budgets::{too_many_rotations, unexplained};
use super::error::ApiError;
use super::extract::{EndpointScope, NO_ENDPOINT};
use super::secrets::Rotation;
use super::{Api, secrets, success};
use crate::aws::table::Reserved;
use crate::domain::secret::parse_overlap;

#[derive(Serialize)]
struct Rotated<'a> {
    secret: &'a str,
}

/// `POST /apps/{appId}/webhooks/{webhookId}/rotate-secret`. First an `UpdateItem`, which counts the
/// rotation and reads the endpoint, so that a rotation over the budget stores no secret. Then
/// `PutSecretValue` and `UpdateItem`, or `TransactWriteItems` if the new secret is sealed. One to
/// three more calls if the secret moves, or if somebody deleted it.
///
/// The response is sent after the endpoint's item names the new secret, and every attempt reads the
/// item. So no attempt that starts after the response signs with the old secret alone, and without
/// an overlap none signs with it at all.
pub(super) async fn rotate_secret(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
    body: Option<Body>,
) -> Result<Response, ApiError> {
    let rotation = parse(body.unwrap_or_default())?;
    let now = api.clock.now();
    let reserved = api.stores.table.reserve_rotation(key, &api.budgets, now);
    let endpoint = match reserved.await? {
        Reserved::Granted(endpoint) => *endpoint,
        Reserved::Refused(endpoint) => {
            let made = endpoint.usage.rotations;
            return Err(made.map_or_else(unexplained, |made| {
                too_many_rotations(&api.budgets, &made, now)
            }));
        }
        Reserved::Missing => return Err(NO_ENDPOINT),
    };
    let secret = secrets::rotate(&api, endpoint, rotation, now).await?;
    Ok(success(Rotated {
        secret: secret.to_text().expose_secret(),
    }))
}

/// `DELETE /apps/{appId}/webhooks/{webhookId}/previous-secret`. One `UpdateItem`. No attempt that
/// starts later signs with the previous secret. If the previous secret was in Secrets Manager and
/// the current one is sealed, also `DeleteSecret` and `GetItem`.
pub(super) async fn remove_previous_secret(
    State(api): State<Api>,
    EndpointScope(key): EndpointScope,
) -> Result<Response, ApiError> {
    secrets::remove_previous(&api, key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse(mut body: Body) -> Result<Rotation, ApiError> {
    let own = secrets::take_secret(&mut body);
    let overlap = body.number_or_null("overlapSeconds", parse_overlap);
    body.finish(Some(Rotation {
        own,
        overlap: overlap.flatten().unwrap_or_default(),
    }))
}
