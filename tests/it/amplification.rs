//! Checks that small requests do not get large responses.

use reqwest::{Method, StatusCode};

use crate::support::TestApp;

/// The largest response in bytes: room for the 100 details that an error may list.
const LARGEST: usize = 16 * 1024;

/// Builds a body of nearly 64 KiB by repeating `item`.
fn filled(head: &str, item: &str, tail: &str) -> String {
    let room = 64 * 1024 - head.len() - tail.len();
    let items = vec![item; room / (item.len() + 1)].join(",");
    format!("{head}{items}{tail}")
}

fn unknown_fields(count: usize, name: impl Fn(usize) -> String) -> String {
    let fields: Vec<_> = (0..count).map(|n| format!("\"{}\":0", name(n))).collect();
    format!("{{{}}}", fields.join(","))
}

#[tokio::test]
async fn responses_to_invalid_bodies_are_small() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let update = format!("/{id}");
    let bodies = [
        filled(r#"{"events": ["#, "0", "]}"),
        filled(r#"{"events": ["#, r#""""#, "]}"),
        filled(r#"{"events": ["#, r#""a b""#, "]}"),
        filled(r#"{"url": ["#, r#""""#, "]}"),
        unknown_fields(6_000, |n| format!("x{n}")),
        unknown_fields(1, |_| "x".repeat(60_000)),
        unknown_fields(1, |_| "é".repeat(30_000)),
        unknown_fields(1, |_| "\\u0001".repeat(10_000)),
        unknown_fields(2, |_| "x".repeat(30_000)),
        unknown_fields(10_000, |_| "x".to_owned()),
        unknown_fields(100, |n| format!("{n}{}", "x".repeat(600))),
        format!("[{}", "[".repeat(60_000)),
        format!(r#"{{"url": "{}"}}"#, "x".repeat(60_000)),
        "x".repeat(60_000),
    ];
    for body in bodies {
        assert!(body.len() <= 64 * 1024);
        for (method, path) in [(Method::POST, ""), (Method::PUT, &*update)] {
            let request = app.api.request(method, path);
            let request = request.header("content-type", "application/json");
            let answer = request.body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body:.40}");
            let text = answer.text().await.unwrap();
            assert!(text.len() <= LARGEST, "{body:.40}: {} bytes", text.len());
        }
        let request = app.api.publishing().body(body.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body:.40}");
        let text = answer.text().await.unwrap();
        assert!(text.len() <= LARGEST, "{body:.40}: {} bytes", text.len());
    }
}

#[tokio::test]
async fn responses_to_invalid_batches_are_small() {
    let app = TestApp::start().await;
    let name = "\\u0001".repeat(100);
    for event in [
        "0".to_owned(),
        "{}".to_owned(),
        format!(r#"{{"{name}":0}}"#),
        format!(r#"{{"{name}{name}":0,"{name}":0}}"#),
        unknown_fields(60, |n| format!("x{n}")),
        format!(r#"{{"type":"{}"}}"#, "x".repeat(600)),
    ] {
        let body = format!(r#"{{"events":[{}]}}"#, vec![event; 100].join(","));
        let request = app.api.publishing_batch().body(body.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{body:.60}");
        let text = answer.text().await.unwrap();
        // Each event has errors of its own, so the response may grow with the body, but no
        // faster.
        let most = LARGEST + 3 * body.len();
        assert!(text.len() <= most, "{body:.60}: {} bytes", text.len());
    }
    // Malformed batches of any size are rejected as a whole.
    for body in [
        format!(r#"{{"events":[{}0]}}"#, "0,".repeat(2_400_000)),
        unknown_fields(300_000, |n| format!("{n}")),
    ] {
        let request = app.api.publishing_batch().body(body.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body:.60}");
        let text = answer.text().await.unwrap();
        assert!(text.len() <= LARGEST, "{body:.60}: {} bytes", text.len());
    }
}

#[tokio::test]
async fn long_names_of_unknown_fields_are_truncated() {
    let app = TestApp::start().await;
    for (name, shown) in [
        ("é".repeat(100), "é".repeat(100)),
        ("é".repeat(101), format!("{}…", "é".repeat(100))),
    ] {
        let body = serde_json::json!({ "url": "https://example.com", "events": ["*"], name: 1 });
        let refused = app.api.post_json("", &body).await;
        refused.must_be_invalid(&[&shown]);
    }
}

#[tokio::test]
async fn responses_to_odd_paths_and_queries_are_small() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let long = "x".repeat(8_000);
    for path in [
        format!("/{long}"),
        format!("?view={long}"),
        format!("/{id}/deliveries?cursor={long}"),
        format!("/{id}/deliveries?{}", "limit=0&".repeat(1_000)),
        format!("/{id}/deliveries/{long}"),
    ] {
        let answer = app.api.get(&path).await;
        assert!(answer.status.is_client_error(), "{path:.40}");
        assert!(answer.body.to_string().len() <= 1_000, "{path:.40}");
    }
}
