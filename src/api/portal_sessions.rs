//! Portal sessions: create and revoke. The platform creates one to let a customer into the portal.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::apps::BEING_DELETED;
use super::body::Body;
use super::error::ApiError;
use super::extract::{AppScope, NO_APP, NO_ENDPOINT, NO_SESSION, PortalSessionScope};
use super::portal_base::PortalBase;
use super::{Api, success};
use crate::aws::table::KeyCreated;
use crate::domain::id::{AppId, EndpointId, KeyId};
use crate::domain::session::{
    DEFAULT_LIFETIME, NewSession, SessionScope, parse_lifetime, portal_link,
};
use crate::domain::time::serde_millis;

/// The response of create, the only one that contains the token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: KeyId,
    url: String,
    token: &'a str,
    #[serde(with = "serde_millis::option")]
    expires_at: Option<Timestamp>,
    scope: &'static str,
    webhook_id: Option<EndpointId>,
}

/// `POST /apps/{appId}/portal-sessions`. One call: `TransactWriteItems`, which also checks that the
/// app exists, and the endpoint if the session is limited to one.
pub(super) async fn create(
    State(api): State<Api>,
    app: AppScope,
    PortalBase(base): PortalBase,
    body: Option<Body>,
) -> Result<Response, ApiError> {
    let app_id = app.for_keys()?;
    let new = parse(body.unwrap_or_default(), app_id)?;
    let issued = new.issue(api.clock.now(), &mut rand::rng());
    let (token, record) = issued.map_err(ApiError::internal)?;
    match api.stores.table.create_api_key(app_id, &record).await? {
        KeyCreated::Done => {}
        KeyCreated::NoApp => return Err(NO_APP),
        KeyCreated::AppDeleting => return Err(BEING_DELETED),
        KeyCreated::NoEndpoint => return Err(NO_ENDPOINT),
    }
    let data = Created {
        id: record.id,
        url: portal_link(&base, app_id, &token),
        token: token.expose(),
        expires_at: record.expires_at,
        scope: record.grant.as_str(),
        webhook_id: new.endpoint,
    };
    Ok((StatusCode::CREATED, success(data)).into_response())
}

/// `DELETE /apps/{appId}/portal-sessions/{sessionId}`. Two calls: `Query` for the hash of the
/// session, which is its key in the table, and `UpdateItem`.
pub(super) async fn revoke(
    State(api): State<Api>,
    PortalSessionScope { app_id, session_id }: PortalSessionScope,
) -> Result<Response, ApiError> {
    let (table, now) = (&api.stores.table, api.clock.now());
    let hash = table.session_hash(app_id, session_id, now).await?;
    match table.revoke_api_key(&hash.ok_or(NO_SESSION)?, now).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(NO_SESSION),
    }
}

fn parse(mut body: Body, app_id: AppId) -> Result<NewSession, ApiError> {
    let lifetime = body.number_or_null("expiresInSeconds", parse_lifetime);
    let scope = body.string("scope", SessionScope::parse);
    let endpoint = body.string_or_null("webhookId", |text| {
        EndpointId::parse(text).map_err(|_| "must be the id of a webhook endpoint")
    });
    body.finish(Some(NewSession {
        app_id,
        scope: scope.unwrap_or(SessionScope::Manage),
        endpoint: endpoint.flatten(),
        lifetime: lifetime.flatten().unwrap_or(DEFAULT_LIFETIME),
    }))
}
