//! Request ids. Each appears in its response, and in every log line of its request.

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use lambda_http::request::RequestContext;
use tracing::{Instrument, debug, error_span, field, info};
use uuid::Uuid;

use super::{EVENT_BATCHES, EVENTS};

/// The routes that publish events. The delivery function logs the outcome of each event.
const PUBLISHING: [&str; 2] = [EVENTS, EVENT_BATCHES];

/// Opens the request's span, logs its outcome in one line, and sets `x-request-id` on the response.
/// The id is API Gateway's, so that it leads to the line in the access log as well.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let id = gateway_id(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    // Log the route, not the path. The path may contain anything, even an API key that somebody
    // pasted into the wrong place.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let is_frequent = request.method().is_safe() || PUBLISHING.contains(&route.as_str());
    // A span is dropped if its level is below the log level, and its fields with it. ERROR never
    // is.
    let span = error_span!(
        "request",
        request_id = id,
        method = %request.method(),
        route,
        app_id = field::Empty,
        endpoint_id = field::Empty,
        delivery_id = field::Empty,
    );
    let begun = std::time::Instant::now();
    async {
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", value);
        }
        let status = response.status();
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // API Gateway's access log has every request. Successful reads and publications are
        // frequent and change no configuration, so by default they get no second line here.
        if status.is_success() && is_frequent {
            debug!(status = status.as_u16(), duration_ms, "response");
        } else {
            info!(status = status.as_u16(), duration_ms, "response");
        }
        response
    }
    .instrument(span)
    .await
}

fn gateway_id(request: &Request) -> Option<String> {
    match request.extensions().get::<RequestContext>()? {
        RequestContext::ApiGatewayV2(context) => context.request_id.clone(),
        RequestContext::ApiGatewayV1(context) => context.request_id.clone(),
        _ => None,
    }
    // An id that is no valid header value could not be sent in the response.
    .filter(|id| !id.is_empty() && HeaderValue::from_str(id).is_ok())
}
