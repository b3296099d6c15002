//! Shows the scope of the caller's own key or session. A client that got one, such as the portal,
//! starts with this call.

use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use super::extract::Caller;
use super::success;
use crate::domain::id::{AppId, EndpointId};
use crate::domain::scope::{Grant, Owner};
use crate::domain::time::serde_millis;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    kind: &'static str,
    app_id: Option<AppId>,
    scope: &'static str,
    webhook_id: Option<EndpointId>,
    #[serde(with = "serde_millis::option")]
    expires_at: Option<Timestamp>,
}

/// `GET /key`. No AWS calls beyond the caller's authentication.
pub(super) async fn get(Caller(caller): Caller) -> Response {
    let grant = caller.grant;
    success(Shown {
        kind: match grant {
            Grant::Platform | Grant::App { .. } => "key",
            Grant::Session { .. } => "session",
        },
        app_id: match grant.owner() {
            Owner::Platform => None,
            Owner::App(app_id) => Some(app_id),
        },
        scope: grant.as_str(),
        webhook_id: grant.only_endpoint(),
        expires_at: caller.expires_at,
    })
}
