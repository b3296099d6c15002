//! Adapts the router to Lambda behind API Gateway.
//!
//! Clients control most of an event: path, query, headers and body. lambda_http panics on some
//! values, and cannot represent others. Then the client would get an error from API Gateway instead
//! of ours, and the operator an alarm. So this module fixes or rejects events before lambda_http
//! converts them.

use std::convert::Infallible;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::middleware;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, LambdaEvent, Request, Service, service_fn};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::ApiError;
use super::portal_base::GatewayAddress;
use super::request_id;

/// Limit of path and query together, before percent-encoding triples them at worst. API Gateway
/// allows 10,240 bytes including all headers; a URI of the `http` crate can have 65,534.
const MAX_TARGET_BYTES: usize = 16 * 1024;

/// A Lambda handler that passes API Gateway events to `router`.
///
/// It accepts any JSON. The response is a 400 if that is not an event from API Gateway, or if its
/// request is not valid HTTP.
pub fn function(
    router: Router,
) -> impl Service<LambdaEvent<Box<RawValue>>, Response = impl Serialize, Error = Infallible> {
    let refusal = Router::new()
        .fallback(async || ApiError::invalid("request", "could not be read"))
        .layer(middleware::from_fn(request_id::layer));
    service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let (router, (request, address)) = match convertible(&event.payload) {
            Some(request) => (router.clone(), request),
            None => {
                let unknown = GatewayAddress::of(None, None);
                (refusal.clone(), (placeholder(&event.payload), unknown))
            }
        };
        let router = router.map_request(move |mut request: Request| {
            request.extensions_mut().insert(address.clone());
            request
        });
        Adapter::from(router).oneshot(LambdaEvent::new(request, event.context))
    })
}

/// The request of an event in a form that lambda_http can convert, if there is one, and the address
/// that it came in by.
///
/// Leaves out the host, which lambda_http would parse as part of the URL, and the stage, which it
/// would put before the path.
fn convertible(event: &RawValue) -> Option<(LambdaRequest, GatewayAddress)> {
    match serde_json::from_str(event.get()).ok()? {
        LambdaRequest::ApiGatewayV2(mut event) => {
            let path = encoded_path(event.raw_path.as_deref()?);
            let query = event.raw_query_string.as_deref().unwrap_or_default();
            let fits = path.len() + query.len() <= MAX_TARGET_BYTES;
            event.raw_path = Some(path);
            event.raw_query_string = Some(encoded_query(query));
            event.headers.remove(HOST);
            let context = &mut event.request_context;
            let (domain, stage) = (context.domain_name.take(), context.stage.take());
            let address = GatewayAddress::of(domain.as_deref(), stage.as_deref());
            let is_valid = fits && is_decodable(event.body.as_deref(), event.is_base64_encoded);
            is_valid.then_some((LambdaRequest::ApiGatewayV2(event), address))
        }
        LambdaRequest::ApiGatewayV1(mut event) => {
            let path = encoded_path(event.path.as_deref()?);
            // REST APIs decode the parameters, and lambda_http encodes them again. So there is
            // nothing to encode here, but the size still counts: 2 bytes for `=` and `&`. They
            // send the last value of each parameter, and all values. lambda_http uses the latter.
            let parameters = match event.multi_value_query_string_parameters.is_empty() {
                true => &event.query_string_parameters,
                false => &event.multi_value_query_string_parameters,
            };
            let query: usize = parameters
                .iter()
                .map(|(key, value)| key.len() + value.len() + 2)
                .sum();
            let fits = path.len() + query <= MAX_TARGET_BYTES;
            event.path = Some(path);
            event.headers.remove(HOST);
            keep_repeated(&mut event.headers, &event.multi_value_headers);
            let context = &mut event.request_context;
            let (domain, stage) = (context.domain_name.take(), context.stage.take());
            let address = GatewayAddress::of(domain.as_deref(), stage.as_deref());
            let is_valid = fits && is_decodable(event.body.as_deref(), event.is_base64_encoded);
            is_valid.then_some((LambdaRequest::ApiGatewayV1(event), address))
        }
        _ => None,
    }
}

/// An empty request in place of one that lambda_http can't convert. It is of the same kind of API,
/// so that the response has the right format, and has the same id.
fn placeholder(event: &RawValue) -> LambdaRequest {
    let event: Value = serde_json::from_str(event.get()).unwrap_or_default();
    let id = event["requestContext"]["requestId"].as_str();
    let id = id.map(str::to_owned);
    let mut rest = LambdaRequest::ApiGatewayV1(Default::default());
    let mut http = LambdaRequest::ApiGatewayV2(Default::default());
    if let LambdaRequest::ApiGatewayV1(event) = &mut rest {
        event.request_context.request_id.clone_from(&id);
    }
    if let LambdaRequest::ApiGatewayV2(event) = &mut http {
        event.request_context.request_id = id;
    }
    if event.get("httpMethod").is_some() {
        rest
    } else {
        http
    }
}

/// Removes the single value of each header that is also in `repeated`. REST APIs send both: the
/// last value, and all values. lambda_http would let the last one replace all.
fn keep_repeated(single: &mut HeaderMap, repeated: &HeaderMap) {
    for name in repeated.keys() {
        single.remove(name);
    }
}

/// Whether the body is valid base64, if the event says that it is base64.
fn is_decodable(body: Option<&str>, is_base64: bool) -> bool {
    !is_base64 || body.is_none_or(|body| STANDARD.decode(body).is_ok())
}

/// Percent-encodes the characters of a decoded path that would end it or change its meaning. The
/// result always starts with a slash; otherwise its beginning would become part of the host.
fn encoded_path(path: &str) -> String {
    let mut text = encoded(path, b"\"#<>?\\");
    if !text.starts_with('/') {
        text.insert(0, '/');
    }
    text
}

/// Percent-encodes query characters that are not legal in a URI. An HTTP API passes
/// the query on unchanged.
fn encoded_query(query: &str) -> String {
    encoded(query, b"\"#<>")
}

fn encoded(text: &str, reserved: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !reserved.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{encoded_path, encoded_query};

    #[test]
    fn valid_queries_stay_unchanged() {
        let query = "limit=5&cursor=a%20b+c&status={}|^`[]'";
        assert_eq!(encoded_query(query), query);
    }

    #[test]
    fn illegal_characters_are_encoded() {
        assert_eq!(encoded_query("a=\"<é>\" #"), "a=%22%3C%C3%A9%3E%22%20%23");
        assert_eq!(encoded_path("/a?b#c\\d e"), "/a%3Fb%23c%5Cd%20e");
        assert_eq!(encoded_path("@host"), "/@host");
        assert_eq!(encoded_path(""), "/");
    }
}
