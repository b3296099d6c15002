//! The description of this API, for tools and for people.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

const DOCUMENT: &str = include_str!("../../openapi.json");

/// `GET /openapi.json`. No call, and no key: it is the same for everyone.
pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
