//! Runs `docs/migrating/svix_endpoints.py` against a fake of Svix's API.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Returns a list of two pages with one app each.
async fn apps(headers: HeaderMap, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    assert_eq!(headers["authorization"], "Bearer token");
    Json(match query.get("iterator") {
        None => json!({
            "data": [{ "id": "app_1", "uid": "acme", "name": "Acme" }],
            "iterator": "next",
            "done": false,
        }),
        Some(_) => json!({
            "data": [{ "id": "app_2", "uid": null, "name": "Other" }],
            "iterator": "end",
            "done": true,
        }),
    })
}

async fn endpoints(Path(app): Path<String>) -> Json<Value> {
    let data = match app.as_str() {
        "app_1" => json!([{
            "id": "ep_1",
            "url": "https://example.com/acme",
            "description": "Billing",
            "filterTypes": ["invoice.paid"],
            "channels": ["project_1"],
            "disabled": true,
            "rateLimit": 10,
            "metadata": { "plan": "pro" },
            "version": 1,
        }]),
        _ => json!([{
            "id": "ep_2",
            "url": "https://example.com/other",
            "description": "",
            "filterTypes": null,
            "channels": null,
            "disabled": false,
            "rateLimit": null,
            "metadata": {},
            "version": 1,
        }]),
    };
    Json(json!({ "data": data, "iterator": null, "done": true }))
}

async fn secret(Path((_, endpoint)): Path<(String, String)>) -> Json<Value> {
    Json(json!({ "key": format!("whsec_{endpoint}") }))
}

async fn own_headers(Path((app, _)): Path<(String, String)>) -> Json<Value> {
    Json(match app.as_str() {
        "app_1" => json!({ "headers": { "x-tenant": "7" }, "sensitive": ["authorization"] }),
        _ => json!({ "headers": {}, "sensitive": [] }),
    })
}

#[tokio::test]
async fn svix_endpoints_become_lines_to_import() {
    let svix = Router::new()
        .route("/api/v1/app", get(apps))
        .route("/api/v1/app/{app}/endpoint", get(endpoints))
        .route("/api/v1/app/{app}/endpoint/{endpoint}/secret", get(secret))
        .route(
            "/api/v1/app/{app}/endpoint/{endpoint}/headers",
            get(own_headers),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, svix).into_future());
    let script = "../docs/migrating/svix_endpoints.py";
    let output = Command::new("python3")
        .arg(script)
        .env("SVIX_URL", url)
        .env("SVIX_TOKEN", "token")
        .output()
        .await
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "ep_1: Svix does not show the values of authorization\n"
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let acme = json!({
        "appId": "acme",
        "externalId": "ep_1",
        "url": "https://example.com/acme",
        "events": ["invoice.paid"],
        "active": false,
        "secret": "whsec_ep_1",
        "description": "Billing",
        "metadata": { "plan": "pro" },
        "channels": ["project_1"],
        "rateLimit": 10,
        "headers": { "x-tenant": "7" },
    });
    let other = json!({
        "appId": "app_2",
        "externalId": "ep_2",
        "url": "https://example.com/other",
        "events": ["*"],
        "active": true,
        "secret": "whsec_ep_2",
    });
    assert_eq!(lines, [acme, other]);
}
