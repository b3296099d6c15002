//! Adapts the router to Lambda behind API Gateway.
//!
//! Clients write most of an event: path, query, headers and body. lambda_http panics
//! on some of what they can write, and its events cannot hold all of it. The caller
//! would get an error of API Gateway's instead of ours, and the operator an alarm. So
//! events are put in order before lambda_http converts them.

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

/// Longest path and query, decoded. API Gateway takes at most 10,240 bytes together
/// with all headers, and a URI of the `http` crate at most 65,534, encoded.
const MAX_TARGET_BYTES: usize = 16 * 1024;

/// A Lambda handler that passes API Gateway events to `router`.
///
/// It takes any JSON. An event that is not one of API Gateway's is answered with 400,
/// and so is a request that cannot be one of HTTP.
pub fn function(
    router: Router,
) -> impl Service<LambdaEvent<Box<RawValue>>, Response = impl Serialize, Error = Infallible> {
    let refusal = Router::new()
        .fallback(async || ApiError::invalid("request", "could not be read"))
        .layer(middleware::from_fn(request_id::layer));
    service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let (router, (request, address)) = match readable(&event.payload) {
            Some(readable) => (router.clone(), readable),
            None => {
                let nowhere = GatewayAddress::of(None, None);
                (refusal.clone(), (stand_in(&event.payload), nowhere))
            }
        };
        let router = router.map_request(move |mut request: Request| {
            request.extensions_mut().insert(address.clone());
            request
        });
        Adapter::from(router).oneshot(LambdaEvent::new(request, event.context))
    })
}

/// The request of an event, if lambda_http can convert it, and the address that it came in
/// by.
///
/// The host is left out of the request, because lambda_http parses it as part of a URL, and
/// the stage, because it would come in front of the path.
fn readable(event: &RawValue) -> Option<(LambdaRequest, GatewayAddress)> {
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
            let is_sound = fits && is_decodable(event.body.as_deref(), event.is_base64_encoded);
            is_sound.then_some((LambdaRequest::ApiGatewayV2(event), address))
        }
        LambdaRequest::ApiGatewayV1(mut event) => {
            let path = encoded_path(event.path.as_deref()?);
            // lambda_http encodes the parameters, which come decoded.
            let single = event.query_string_parameters.iter();
            let parameters = single.chain(event.multi_value_query_string_parameters.iter());
            let query: usize = parameters
                .map(|(key, value)| key.len() + value.len() + 2)
                .sum();
            let fits = path.len() + query <= MAX_TARGET_BYTES;
            event.path = Some(path);
            event.headers.remove(HOST);
            keep_repeated(&mut event.headers, &event.multi_value_headers);
            let context = &mut event.request_context;
            let (domain, stage) = (context.domain_name.take(), context.stage.take());
            let address = GatewayAddress::of(domain.as_deref(), stage.as_deref());
            let is_sound = fits && is_decodable(event.body.as_deref(), event.is_base64_encoded);
            is_sound.then_some((LambdaRequest::ApiGatewayV1(event), address))
        }
        _ => None,
    }
}

/// A request in place of one that cannot be read, of the same kind of API and with
/// the same id.
fn stand_in(event: &RawValue) -> LambdaRequest {
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

/// Removes single values of headers that come with all their values, because
/// lambda_http would replace all by the single one, which is the last.
fn keep_repeated(single: &mut HeaderMap, repeated: &HeaderMap) {
    for name in repeated.keys() {
        single.remove(name);
    }
}

/// Whether the body is what the event says it is.
fn is_decodable(body: Option<&str>, is_base64: bool) -> bool {
    !is_base64 || body.is_none_or(|body| STANDARD.decode(body).is_ok())
}

/// Percent-encodes characters of a decoded path that would end it, or be taken for
/// others. It always has a slash in front, without which it would become part of the
/// host.
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
