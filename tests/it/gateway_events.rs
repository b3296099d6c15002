//! API Gateway events with odd or repeated headers and odd paths. HTTP APIs and REST APIs
//! must give the same answers.

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, GatewayAnswer, KINDS, Kind, sample, set_header};

const WEBHOOK: &str = r#"{"url": "https://example.com/hook", "events": ["*"]}"#;
const EVENT: &str = r#"{"type": "invoice.paid", "data": 1}"#;

#[track_caller]
fn must_fail_with(answer: &GatewayAnswer, status: u64, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.body["success"], false, "{answer:?}");
    assert_eq!(answer.body["error"]["code"], code, "{answer:?}");
    assert!(answer.headers.contains_key("x-request-id"), "{answer:?}");
}

#[tokio::test]
async fn forwarding_headers_do_not_change_the_answer() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        for name in [
            "X-Forwarded-Proto",
            "Host",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
        ] {
            for value in [
                "",
                "a b",
                "https, http",
                "https,http",
                ":",
                "//",
                "é",
                "[::1",
                "[",
                "x:99999",
                "user@",
                "#",
                "?",
                "%",
                "%zz",
                "a/b",
                "\\",
                "javascript",
                "localhost",
            ] {
                let mut event = gateway.event(kind, "GET", "/webhooks");
                set_header(kind, &mut event, name, &[value]);
                let answer = gateway.invoke(&event).await;
                assert_eq!(answer.status, 200, "{kind:?} {name}: {value}: {answer:?}");
                assert_eq!(answer.body, json!({"success": true, "data": []}));
            }
        }
    }
}

#[tokio::test]
async fn odd_request_contexts_do_not_change_the_answer() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        for field in [
            "domainName",
            "domainPrefix",
            "requestId",
            "accountId",
            "apiId",
        ] {
            for value in ["", "a b", "[::1", "x:99999", "\n", "é", "\u{0}", "@"] {
                let mut event = gateway.event(kind, "GET", "/webhooks");
                event["requestContext"][field] = json!(value);
                let answer = gateway.invoke(&event).await;
                assert_eq!(
                    answer.status, 200,
                    "{kind:?} {field}: {value:?}: {answer:?}"
                );
                assert!(answer.headers.contains_key("x-request-id"), "{value:?}");
            }
        }
    }
}

fn path_field(kind: Kind) -> &'static str {
    match kind {
        Kind::Http => "rawPath",
        Kind::Rest => "path",
    }
}

/// Publishes an event with these values of one header.
async fn publish(gateway: &Gateway, kind: Kind, name: &str, values: &[&str]) -> GatewayAnswer {
    let mut event = gateway.event(kind, "POST", "/events");
    event["body"] = json!(EVENT);
    set_header(kind, &mut event, name, values);
    gateway.invoke(&event).await
}

#[tokio::test]
async fn batches_work_behind_http_and_rest_apis() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        let mut event = gateway.event(kind, "POST", "/events/batch");
        event["body"] = json!(format!(r#"{{"events": [{EVENT}, 1, {EVENT}]}}"#));
        let answer = gateway.invoke(&event).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.body["data"]["accepted"], 2, "{answer:?}");
        assert_eq!(answer.body["data"]["rejected"], 1, "{answer:?}");
    }
}

#[tokio::test]
async fn repeated_idempotency_keys_are_rejected_by_name() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        for values in [
            &["a", "b"][..],
            &["a", "a"],
            &["a", ""],
            &["a,b"],
            &["a, b"],
        ] {
            let answer = publish(&gateway, kind, "Idempotency-Key", values).await;
            must_fail_with(&answer, 400, "VALIDATION_ERROR");
            let details = &answer.body["error"]["details"];
            assert_eq!(details[0]["field"], "Idempotency-Key", "{values:?}");
        }
        let answer = publish(&gateway, kind, "Idempotency-Key", &["a"]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

#[tokio::test]
async fn repeated_credentials_are_rejected() {
    let gateway = Gateway::start().await;
    let key = gateway.app.key.expose();
    let bearer = format!("Bearer {key}");
    for kind in KINDS {
        for keys in [[key, key], [key, "other"], ["other", key]] {
            let answer = publish(&gateway, kind, "x-api-key", &keys).await;
            must_fail_with(&answer, 401, "AUTHENTICATION_ERROR");
        }
        for tokens in [
            [&*bearer, &*bearer],
            [&*bearer, "Basic x"],
            ["Basic x", &*bearer],
        ] {
            let mut event = gateway.event(kind, "GET", "/webhooks");
            for headers in ["headers", "multiValueHeaders"] {
                if let Some(headers) = event[headers].as_object_mut() {
                    headers.remove("x-api-key");
                }
            }
            set_header(kind, &mut event, "Authorization", &[&bearer]);
            assert_eq!(gateway.invoke(&event).await.status, 200);
            set_header(kind, &mut event, "Authorization", &tokens);
            let answer = gateway.invoke(&event).await;
            must_fail_with(&answer, 401, "AUTHENTICATION_ERROR");
        }
    }
}

#[tokio::test]
async fn repeated_content_types_are_rejected() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        for types in [
            ["application/json", "application/json"],
            ["application/json", "text/plain"],
            ["text/plain", "application/json"],
        ] {
            let answer = publish(&gateway, kind, "Content-Type", &types).await;
            must_fail_with(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
        }
    }
}

#[tokio::test]
async fn repeated_prefer_headers_are_combined() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        let mut event = gateway.event(kind, "POST", "/webhooks");
        event["body"] = json!(WEBHOOK);
        let created = gateway.invoke(&event).await;
        let id = created.body["data"]["id"].as_str().unwrap();
        let mut event = gateway.event(kind, "POST", &format!("/webhooks/{id}/test-ping"));
        event["body"] = Value::Null;
        set_header(kind, &mut event, "Prefer", &["respond-async", "wait=0"]);
        let answer = gateway.invoke(&event).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(
            answer.headers["preference-applied"],
            "respond-async, wait=0"
        );
    }
}

#[tokio::test]
// Paths in events are already decoded, so `?` and `#` start neither a query nor a fragment.
async fn decoded_delimiters_stay_part_of_the_path() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        for path in [
            "/webhooks?x",
            "/webhooks#x",
            "/webhooks/..\\",
            "/webhooks \t",
        ] {
            let answer = gateway.invoke(&gateway.event(kind, "GET", path)).await;
            must_fail_with(&answer, 404, "NOT_FOUND");
        }
        for path in ["", "@x", ":99999", "//", "\\", "/\u{202e}"] {
            let mut event = sample(kind);
            event[path_field(kind)] = json!(path);
            must_fail_with(&gateway.invoke(&event).await, 404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn paths_and_queries_have_at_most_16_kib_together() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        let mut event = gateway.event(kind, "GET", "/webhooks");
        let path = event[path_field(kind)].as_str().unwrap().len();
        let longest = 16 * 1024 - path - "x=&".len();
        for (length, status) in [(longest, 200), (longest + 1, 400)] {
            let value = "v".repeat(length);
            match kind {
                Kind::Http => event["rawQueryString"] = json!(format!("x={value}&")),
                // REST APIs send both: the last value of each parameter, and all values.
                Kind::Rest => {
                    event["queryStringParameters"] = json!({"x": value});
                    event["multiValueQueryStringParameters"] = json!({"x": [value]});
                }
            }
            let answer = gateway.invoke(&event).await;
            assert_eq!(answer.status, status, "{kind:?}: {length}");
        }
    }
}

#[tokio::test]
async fn unreadable_requests_are_rejected_with_their_request_id() {
    let gateway = Gateway::start().await;
    for kind in KINDS {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut event = gateway.event(kind, "GET", "/webhooks");
            event["requestContext"]["requestId"] = json!("id-of-the-gateway=");
            change(&mut event);
            event
        };
        for event in [
            with(&|event| event["headers"]["x"] = json!("a\u{0}b")),
            with(&|event| event["headers"]["a b"] = json!("x")),
            with(&|event| event["headers"][""] = json!("x")),
            with(&|event| event[path_field(kind)] = json!(format!("/{}", "x".repeat(70_000)))),
            with(&|event| {
                event["isBase64Encoded"] = json!(true);
                event["body"] = json!("no base64!");
            }),
        ] {
            let answer = gateway.invoke(&event).await;
            must_fail_with(&answer, 400, "VALIDATION_ERROR");
            assert_eq!(answer.headers["x-request-id"], "id-of-the-gateway=");
        }
    }
    let answer = gateway.invoke(&json!("no event")).await;
    must_fail_with(&answer, 400, "VALIDATION_ERROR");
}
