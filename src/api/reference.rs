//! Serves the API reference, a page that renders openapi.json in the browser. No AWS calls, and no
//! authentication: the document is public.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::error::ApiError;

/// Every file of `reference/`: its path below the page, its type and its content.
const FILES: [(&str, &str, &str); 3] = [
    (
        "",
        "text/html; charset=utf-8",
        include_str!("../../reference/index.html"),
    ),
    (
        "reference.css",
        "text/css; charset=utf-8",
        include_str!("../../reference/reference.css"),
    ),
    (
        "reference.js",
        "text/javascript; charset=utf-8",
        include_str!("../../reference/reference.js"),
    ),
];

/// Allows only the page's own files and openapi.json. It requires Trusted Types and allows no
/// policy for them, so no script can turn text into markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    // Short, because the paths of the files do not change with a deployment: for this long, a
    // browser may show the old page, or mix old and new files.
    (CACHE_CONTROL, "max-age=60"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

fn answer(name: &str) -> Result<Response, ApiError> {
    let file = FILES.iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = file.ok_or(ApiError::NotFound("file"))?;
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    Ok((headers, [(CONTENT_TYPE, *kind)], *text).into_response())
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        // A relative redirect, because API Gateway may serve the API below a stage.
        .route(
            "/reference",
            get(async || (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "reference/")])),
        )
        .route("/reference/", get(async || answer("")))
        .route(
            "/reference/{file}",
            get(async |Path(file): Path<String>| answer(&file)),
        )
}
