//! Serves the OpenAPI document.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

const DOCUMENT: &str = include_str!("../../openapi.json");

/// `GET /openapi.json`. No AWS calls, and no authentication: the document is public.
pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
