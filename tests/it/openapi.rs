//! Tests of openapi.json itself. Other tests check every answer that they read against it.

use std::collections::BTreeSet;
use std::fs;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::calls::Ids;
use crate::support::openapi::{DOCUMENT, errors, resolved};
use crate::support::{TestApp, answer};

/// All methods that a path is tried with.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

fn paths() -> impl Iterator<Item = (&'static String, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter()
}

fn methods_of(item: &Value) -> BTreeSet<&'static str> {
    METHODS
        .into_iter()
        .filter(|method| item.get(method.to_ascii_lowercase()).is_some())
        .collect()
}

#[tokio::test]
async fn document_is_served_without_a_key_as_committed() {
    let app = TestApp::start().await;
    let served = answer(app.api.bare(Method::GET, "/openapi.json")).await;
    assert_eq!(served.status, StatusCode::OK);
    assert_eq!(served.body, *DOCUMENT);
    assert!(app.aws.wire.take().is_empty());
}

#[test]
fn document_has_the_package_version() {
    assert_eq!(DOCUMENT["info"]["version"], env!("CARGO_PKG_VERSION"));
}

/// Except those of the portal (`src/api/portal.rs`), which is a page and not part of the API.
#[test]
fn document_and_router_have_the_same_routes() {
    let router = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/mod.rs");
    let code = fs::read_to_string(router).unwrap();
    // Takes the path literal, or the constant that holds one.
    let path = |call: &str| {
        let first = call.trim_start().split([',', '"']).next().unwrap();
        let text = match first {
            "" => call,
            constant => code
                .split(&format!("const {constant}: &str ="))
                .nth(1)
                .unwrap(),
        };
        text.split('"').nth(1).unwrap().to_owned()
    };
    let routes: BTreeSet<_> = code.split(".route(").skip(1).map(path).collect();
    let described: BTreeSet<_> = paths().map(|(path, _)| path.clone()).collect();
    assert_eq!(described, routes);
}

#[tokio::test]
async fn paths_accept_only_the_documented_methods() {
    let app = TestApp::start().await;
    for (template, item) in paths() {
        let taken = methods_of(item);
        let template = template.replace("{appId}", &app.app_id.to_string());
        let path = Ids::unknown().fill(&template);
        for method in METHODS {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = app
                .api
                .bare(method.clone(), &path)
                .header("x-api-key", app.key.expose());
            let answer = answer(request).await;
            if taken.contains(method.as_str()) {
                assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
                continue;
            }
            answer.must_fail_with(405, "METHOD_NOT_ALLOWED");
            let allow = answer.headers["allow"].to_str().unwrap();
            let mut allowed: BTreeSet<_> = allow.split(',').map(str::trim).collect();
            // HEAD is allowed wherever GET is.
            assert_eq!(allowed.remove("HEAD"), taken.contains("GET"), "{path}");
            assert_eq!(allowed, taken, "{path}");
        }
    }
}

#[test]
fn examples_match_their_schemas() {
    let mut found = 0;
    let mut pending = vec![("#".to_owned(), &*DOCUMENT)];
    while let Some((at, value)) = pending.pop() {
        match value {
            Value::Array(values) => pending.extend(
                values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| (format!("{at}/{index}"), value)),
            ),
            Value::Object(fields) => {
                let examples = fields.get("examples").and_then(Value::as_object);
                let named = examples.into_iter().flat_map(|named| named.values());
                let all = named
                    .map(|example| &example["value"])
                    .chain(fields.get("example"));
                for example in all {
                    let errors = errors(&fields["schema"], example);
                    assert!(errors.is_empty(), "{at}: {errors:#?}");
                    found += 1;
                }
                pending.extend(
                    fields
                        .iter()
                        .filter(|(name, _)| !name.starts_with("example"))
                        .map(|(name, value)| (format!("{at}/{name}"), value)),
                );
            }
            _ => {}
        }
    }
    assert!(found > 40, "{found} examples");
}

#[test]
fn operations_have_examples_of_bodies_and_responses() {
    for (path, item) in paths() {
        for method in methods_of(item) {
            let operation = &item[method.to_ascii_lowercase()];
            let responses = operation["responses"].as_object().unwrap();
            let bodies = responses.values().map(resolved);
            // The document would be its own example.
            let bodies = bodies.filter(|_| path != "/openapi.json");
            for body in bodies.chain(operation.get("requestBody")) {
                let Some(content) = body.get("content") else {
                    continue;
                };
                let media = &content["application/json"];
                let has = media.get("example").or(media.get("examples"));
                assert!(has.is_some(), "{method} {path}");
            }
        }
    }
}

#[test]
fn schemas_reject_invalid_values() {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let refused = |name: &str, instance: Value| !errors(&schema(name), &instance).is_empty();
    let delivery = json!({
        "id": Uuid::now_v7(), "event": "a.b", "status": "PENDING", "responseStatus": null,
        "attempts": 0, "createdAt": "2026-01-31T09:30:00.000Z", "deliveredAt": null,
        "nextRetryAt": null,
    });
    assert!(!refused("Delivery", delivery.clone()));
    for (field, wrong) in [
        ("id", json!("1")),
        ("event", json!("a..b")),
        ("status", json!("pending")),
        ("responseStatus", json!("200")),
        ("attempts", json!(-1)),
        ("createdAt", json!("2026-01-31T09:30:00Z")),
        ("createdAt", json!("2026-13-31T09:30:00.000Z")),
        ("deliveredAt", json!(0)),
        ("secret", json!("")),
    ] {
        let mut changed = delivery.clone();
        changed[field] = wrong;
        assert!(refused("Delivery", changed), "{field}");
    }
    for field in delivery.as_object().unwrap().keys() {
        let mut cut = delivery.clone();
        cut.as_object_mut().unwrap().remove(field);
        assert!(refused("Delivery", cut), "{field}");
    }
    assert!(refused("EventPattern", json!("a.*.b")));
    assert!(!refused("EventPattern", json!("a.*")));
    assert!(refused("GivenUrl", json!("http://example.com")));
}
