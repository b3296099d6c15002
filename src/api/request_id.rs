//! The id of a request: on its response, and on every line that it logs.

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use lambda_http::request::RequestContext;
use tracing::{Instrument, error_span, field, info};
use uuid::Uuid;

/// Names the request, logs its outcome in one line and puts `x-request-id` on
/// the response. The id is API Gateway's, so that its access log has it too.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let id = gateway_id(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    // The route and not the path: an id in the wrong place, or a key somebody
    // put into the path, stays out of the log.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    // At the highest level, so that it names the lines of every level.
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
        info!(
            status = response.status().as_u16(),
            duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "response"
        );
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
    .filter(|id| !id.is_empty())
}
