//! Cross-origin requests from web pages.

use local::service::Settings;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use webhook_endpoints::domain::cors::AllowedOrigins;

use crate::support::gateway::{Gateway, KINDS, set_header};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const PAGE: &str = "https://app.example.com";
const OTHER_PAGE: &str = "https://other.example.com";
const STRANGER: &str = "https://stranger.example";

async fn start(origins: &str) -> TestApp {
    let mut options = Options::idle();
    options.settings.cors = origins.parse::<AllowedOrigins>().unwrap();
    TestApp::start_with(options).await
}

async fn send(request: RequestBuilder, origin: &str) -> (StatusCode, HeaderMap) {
    let response = request.header("origin", origin).send().await.unwrap();
    (response.status(), response.headers().clone())
}

fn preflight(app: &TestApp, path: &str) -> RequestBuilder {
    app.api
        .bare(Method::OPTIONS, path)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
}

fn webhooks(app: &TestApp) -> String {
    format!("/apps/{}/webhooks", app.app_id)
}

/// Returns the members of a list header, in lower case.
fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    let values = values.flat_map(|value| value.to_str().unwrap().split(','));
    values.map(|value| value.trim().to_lowercase()).collect()
}

#[track_caller]
fn assert_allowed(headers: &HeaderMap, origin: &str) {
    assert_eq!(
        headers["access-control-allow-origin"], origin,
        "{headers:?}"
    );
    assert!(
        list(headers, "vary").contains(&"origin".to_owned()),
        "{headers:?}"
    );
    // Keys are headers that the page sets, never ambient credentials like cookies.
    let credentials = HeaderName::from_static("access-control-allow-credentials");
    assert!(!headers.contains_key(credentials), "{headers:?}");
    assert!(headers.contains_key("x-request-id"), "{headers:?}");
}

#[tokio::test]
async fn preflights_need_no_key_and_make_no_aws_call() {
    let app = start(&format!("{PAGE},{OTHER_PAGE}")).await;
    for path in [&webhooks(&app), "/key", "/no/such/route"] {
        for origin in [PAGE, OTHER_PAGE] {
            let (status, headers) = send(preflight(&app, path), origin).await;
            assert!(status.is_success(), "{status}");
            assert_allowed(&headers, origin);
            let methods = list(&headers, "access-control-allow-methods");
            for method in ["get", "post", "put", "delete"] {
                assert!(methods.iter().any(|other| other == method), "{methods:?}");
            }
            let allowed = list(&headers, "access-control-allow-headers");
            for name in [
                "authorization",
                "x-api-key",
                "content-type",
                "idempotency-key",
                "prefer",
            ] {
                assert!(allowed.iter().any(|other| other == name), "{allowed:?}");
            }
            assert_eq!(headers["access-control-max-age"], "7200");
        }
    }
    assert!(app.aws.wire.take().is_empty());
}

#[tokio::test]
async fn listed_origins_can_read_all_responses_even_errors() {
    let app = start(&format!("{PAGE},{OTHER_PAGE}")).await;
    let path = webhooks(&app);
    let with_key = |method, path: &str| {
        let request = app.api.bare(method, path);
        request.header("x-api-key", app.key.expose())
    };
    let throttled = r#"{"__type": "com.amazonaws#ThrottlingException", "message": "slow down"}"#;
    for (request, expected) in [
        (with_key(Method::GET, &path), 200),
        (with_key(Method::POST, &path).body("{"), 415),
        (app.api.bare(Method::GET, &path), 401),
        (with_key(Method::GET, "/apps"), 403),
        (with_key(Method::GET, &format!("{path}/x")), 404),
        (app.api.bare(Method::GET, "/no/such/route"), 404),
        (with_key(Method::PATCH, &path), 405),
        (with_key(Method::GET, &path), 429),
    ] {
        if expected == 429 {
            let calls = &["Query"];
            app.aws.wire.break_calls(calls, Fault::Refused(throttled));
        }
        let (status, headers) = send(request, PAGE).await;
        assert_eq!(status.as_u16(), expected);
        assert_allowed(&headers, PAGE);
        let exposed = list(&headers, "access-control-expose-headers");
        for name in ["x-request-id", "retry-after"] {
            assert!(exposed.iter().any(|other| other == name), "{exposed:?}");
        }
        assert_eq!(headers.contains_key("retry-after"), expected == 429);
    }
}

#[tokio::test]
async fn unlisted_origins_get_no_permission() {
    let app = start(PAGE).await;
    let path = webhooks(&app);
    for origin in [
        STRANGER,
        "null",
        "https://app.example.com.stranger.example",
        "https://APP.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/",
    ] {
        let actual = app.api.bare(Method::GET, &path);
        let actual = actual.header("x-api-key", app.key.expose());
        for request in [preflight(&app, &path), actual] {
            let (_, headers) = send(request, origin).await;
            let name = "access-control-allow-origin";
            assert!(!headers.contains_key(name), "{origin}: {headers:?}");
            assert!(list(&headers, "vary").contains(&"origin".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_star_allows_any_origin() {
    let app = start("*").await;
    let path = webhooks(&app);
    let actual = app.api.bare(Method::GET, &path);
    for request in [preflight(&app, &path), actual] {
        let (_, headers) = send(request, STRANGER).await;
        assert_allowed(&headers, "*");
    }
}

#[tokio::test]
async fn the_function_answers_preflights_behind_api_gateway() {
    // With a CORS configuration, API Gateway would answer preflights itself.
    assert!(!include_str!("../../template.yaml").contains("CorsConfiguration"));
    let settings = Settings {
        cors: PAGE.parse().unwrap(),
        ..Settings::default()
    };
    let gateway = Gateway::start_with(&settings).await;
    for kind in KINDS {
        let mut event = gateway.event(kind, "OPTIONS", "/webhooks");
        event["body"] = Value::Null;
        for (name, value) in [
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "POST"),
            ("x-api-key", ""),
        ] {
            set_header(kind, &mut event, name, &[value]);
        }
        let answer = gateway.invoke(&event).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["access-control-allow-origin"], PAGE);
    }
}

#[tokio::test]
async fn no_origin_is_allowed_by_default() {
    let app = start("").await;
    let path = webhooks(&app);
    let (status, headers) = send(preflight(&app, &path), PAGE).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let actual = app.api.bare(Method::GET, &path);
    let (_, of_actual) = send(actual.header("x-api-key", app.key.expose()), PAGE).await;
    for headers in [headers, of_actual] {
        let mut names = headers.keys().map(HeaderName::as_str);
        assert!(!names.any(|name| name.starts_with("access-control-") || name == "vary"));
    }
}
