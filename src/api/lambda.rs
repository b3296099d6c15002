//! Adapts the router to Lambda behind API Gateway.

use std::convert::Infallible;

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, LambdaEvent, Service};
use serde::Serialize;

/// A Lambda handler that passes API Gateway events to `router`.
pub fn function(
    router: Router,
) -> impl Service<LambdaEvent<LambdaRequest>, Response = impl Serialize, Error = Infallible> {
    Adapter::from(router).map_request(|event: LambdaEvent<LambdaRequest>| {
        LambdaEvent::new(with_encoded_query(event.payload), event.context)
    })
}

/// Percent-encodes query characters that are not legal in a URI.
///
/// An HTTP API passes the query on unchanged, and lambda_http panics if it is not a
/// valid URI. The client would then get an API Gateway error instead of ours.
#[must_use]
pub fn with_encoded_query(event: LambdaRequest) -> LambdaRequest {
    match event {
        LambdaRequest::ApiGatewayV2(mut event) => {
            event.raw_query_string = event.raw_query_string.as_deref().map(encoded);
            LambdaRequest::ApiGatewayV2(event)
        }
        // A REST API passes decoded parameters, and lambda_http encodes them.
        other => other,
    }
}

fn encoded(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    for byte in query.bytes() {
        if byte.is_ascii_graphic() && !b"\"#<>".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn valid_queries_stay_unchanged() {
        let query = "limit=5&cursor=a%20b+c&status={}|^`[]'";
        assert_eq!(encoded(query), query);
    }

    #[test]
    fn illegal_characters_are_encoded() {
        assert_eq!(encoded("a=\"<é>\" #"), "a=%22%3C%C3%A9%3E%22%20%23");
    }
}
