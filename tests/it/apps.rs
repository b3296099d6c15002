//! Creating, changing, getting and listing apps.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Options, TestApp, answer, fields};

/// Makes a call on apps with the platform key.
async fn call(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
    let mut request = app.api.by_platform(method, &format!("/apps{path}"));
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

async fn put(app: &TestApp, id: &str, body: Value) -> Answer {
    call(app, Method::PUT, &format!("/{id}"), Some(body)).await
}

async fn get(app: &TestApp, id: &str) -> Answer {
    call(app, Method::GET, &format!("/{id}"), None).await
}

/// Returns the ids on a page of the list, and the cursor of the next one.
async fn page(app: &TestApp, query: &str) -> (Vec<String>, Option<String>) {
    let page = call(app, Method::GET, &format!("?{query}"), None).await;
    let items = page.data()["items"].as_array().unwrap().iter();
    let ids = items.map(|app| app["id"].as_str().unwrap().to_owned());
    let cursor = page.data()["nextCursor"].as_str();
    (ids.collect(), cursor.map(str::to_owned))
}

#[tokio::test]
async fn the_first_put_creates_an_app_and_later_ones_change_it() {
    let app = TestApp::start_with(Options::idle()).await;
    let body = json!({"name": "Acme", "metadata": {"plan": "pro"}});
    let made = put(&app, "acme", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let again = put(&app, "acme", body).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.data()["createdAt"], made.data()["createdAt"]);
    assert_eq!(again.data()["name"], "Acme");

    // Absent fields stay unchanged.
    let renamed = put(&app, "acme", json!({"name": "Acme 2"})).await;
    assert_eq!(renamed.data()["metadata"], json!({"plan": "pro"}));
    let bare = put(&app, "acme", json!({"name": null, "metadata": {}})).await;
    assert_eq!(bare.data()["name"], Value::Null);
    assert_eq!(bare.data()["metadata"], json!({}));
    assert_eq!(bare.data()["status"], "ACTIVE");
    // A response body is accepted as a request body.
    let shown = get(&app, "acme").await;
    let sent_back = put(&app, "acme", shown.data().clone()).await;
    assert_eq!(sent_back.status, StatusCode::OK, "{sent_back:?}");
}

#[tokio::test]
async fn invalid_apps_are_rejected_by_field() {
    let app = TestApp::start_with(Options::idle()).await;
    for (body, wrong) in [
        (json!({"name": ""}), &["name"][..]),
        (json!({"name": "a\nb"}), &["name"]),
        (json!({"name": 1, "metadata": []}), &["name", "metadata"]),
        (json!({"metadata": {"a": 1}}), &["metadata.a"]),
        (json!({"metadata": null}), &["metadata"]),
        (json!({"color": "red"}), &["color"]),
    ] {
        put(&app, "acme", body).await.must_be_invalid(wrong);
    }
    get(&app, "acme").await.must_fail_with(404, "NOT_FOUND");
    let malformed = put(&app, "no%20app", json!({})).await;
    malformed.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn apps_count_endpoints_and_keys_from_before_their_creation() {
    let app = TestApp::start_with(Options::idle()).await;
    let id = app.app_id.to_string();
    app.api.create_webhook("https://example.com/hook").await;
    // It has an endpoint and the operator's key, but was never created.
    get(&app, &id).await.must_fail_with(404, "NOT_FOUND");
    let (listed, _) = page(&app, "").await;
    assert_eq!(listed, Vec::<String>::new());

    let made = put(&app, &id, json!({"name": "Acme"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    app.api.create_webhook("https://example.com/hook").await;
    let shown = get(&app, &id).await;
    let expected = [
        "createdAt",
        "endpoints",
        "id",
        "keys",
        "metadata",
        "name",
        "status",
        "updatedAt",
    ];
    assert_eq!(fields(shown.data()), expected);
    assert_eq!(shown.data()["endpoints"], 2);
    assert_eq!(shown.data()["keys"], 1);
}

#[tokio::test]
async fn apps_are_listed_in_pages_and_by_prefix() {
    let app = TestApp::start_with(Options::idle()).await;
    let ids = ["a", "acme", "acme-1", "acme-2", "acme_3", "b", "Acme"];
    join_all(ids.map(|id| put(&app, id, json!({})))).await;
    let sorted = |prefix: &str| {
        let of_prefix = ids.iter().filter(|id| id.starts_with(prefix));
        let of_prefix: BTreeSet<_> = of_prefix.map(|id| (*id).to_owned()).collect();
        of_prefix.into_iter().collect::<Vec<_>>()
    };
    for prefix in ["", "a", "acme", "acme-", "none"] {
        let query = format!("prefix={prefix}");
        assert_eq!(page(&app, &query).await, (sorted(prefix), None), "{prefix}");
        for limit in [1, 2, 3] {
            let query = format!("prefix={prefix}&limit={limit}");
            let (mut seen, mut cursor) = page(&app, &query).await;
            while let Some(next) = cursor {
                // Every page but the last is full.
                assert_eq!(seen.len() % limit, 0);
                let (more, then) = page(&app, &format!("{query}&cursor={next}")).await;
                assert!(!more.is_empty(), "the last page is empty");
                seen.extend(more);
                cursor = then;
            }
            assert_eq!(seen, sorted(prefix), "{query}");
        }
    }
    let (_, cursor) = page(&app, "prefix=acme&limit=1").await;
    let cursor = cursor.unwrap();
    for (query, wrong) in [
        (format!("cursor={cursor}"), &["cursor"][..]),
        (format!("prefix=a&cursor={cursor}"), &["cursor"]),
        (format!("prefix=acme&cursor={}", &cursor[1..]), &["cursor"]),
        ("cursor=x".to_owned(), &["cursor"]),
        ("limit=0&prefix=a%23".to_owned(), &["limit", "prefix"]),
        // Nobody can say whether the cursor matches an invalid filter.
        (format!("prefix=a%23&cursor={cursor}"), &["prefix"]),
        ("limit=101".to_owned(), &["limit"]),
    ] {
        let answer = call(&app, Method::GET, &format!("?{query}"), None).await;
        answer.must_be_invalid(wrong);
    }
}

#[tokio::test]
async fn only_one_of_concurrent_puts_creates_the_app() {
    let app = TestApp::start_with(Options::idle()).await;
    for round in 0..5 {
        let id = format!("acme-{round}");
        let puts = (0..8).map(|n| put(&app, &id, json!({"name": format!("{n}")})));
        let answers = join_all(puts).await;
        let made = answers
            .iter()
            .filter(|put| put.status == StatusCode::CREATED);
        assert_eq!(made.count(), 1);
        let others = answers.iter().filter(|put| put.status == StatusCode::OK);
        assert_eq!(others.count(), 7);
        let times: BTreeSet<_> = answers
            .iter()
            .map(|put| put.data()["createdAt"].as_str().unwrap())
            .collect();
        assert_eq!(times.len(), 1, "{times:?}");
    }
    assert_eq!(page(&app, "").await.0.len(), 5);
}
