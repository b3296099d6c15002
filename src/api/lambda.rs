//! The API as a function behind API Gateway.

use std::convert::Infallible;

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, LambdaEvent, Service};
use serde::Serialize;

/// What answers events of API Gateway, by this router.
pub fn function(
    router: Router,
) -> impl Service<LambdaEvent<LambdaRequest>, Response = impl Serialize, Error = Infallible> {
    Adapter::from(router).map_request(|event: LambdaEvent<LambdaRequest>| {
        LambdaEvent::new(with_encoded_query(event.payload), event.context)
    })
}

/// Percent-encodes what a client left as it is in its query and no URI takes.
/// An HTTP API passes a query on as it was sent, and lambda_http panics at such
/// a one: the client would get an answer that is not ours.
#[must_use]
pub fn with_encoded_query(event: LambdaRequest) -> LambdaRequest {
    match event {
        LambdaRequest::ApiGatewayV2(mut event) => {
            event.raw_query_string = event.raw_query_string.as_deref().map(encoded);
            LambdaRequest::ApiGatewayV2(event)
        }
        // A REST API passes parameters on, of which lambda_http makes a query.
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
    fn a_query_that_is_a_query_stays_as_it_is() {
        let query = "limit=5&cursor=a%20b+c&status={}|^`[]'";
        assert_eq!(encoded(query), query);
    }

    #[test]
    fn what_no_uri_takes_is_encoded() {
        assert_eq!(encoded("a=\"<é>\" #"), "a=%22%3C%C3%A9%3E%22%20%23");
    }
}
