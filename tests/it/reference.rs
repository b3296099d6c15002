//! How the API reference is served. `.ci/portal/reference.test.mjs` tests what it shows in a
//! browser.

use reqwest::{Method, Response, StatusCode, redirect};

use crate::support::TestApp;

async fn page(app: &TestApp, path: &str) -> Response {
    app.api.bare(Method::GET, path).send().await.unwrap()
}

#[tokio::test]
async fn reference_is_served_without_a_key_or_an_aws_call() {
    let app = TestApp::start().await;
    for (path, kind) in [
        ("/reference/", "text/html; charset=utf-8"),
        ("/reference/reference.css", "text/css; charset=utf-8"),
        ("/reference/reference.js", "text/javascript; charset=utf-8"),
    ] {
        let page = page(&app, path).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        let header = |name| page.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), kind, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.ends_with("trusted-types 'none'"), "{policy}");
    }
    assert!(app.aws.wire.take().is_empty());
}

#[tokio::test]
async fn reference_has_no_other_files() {
    let app = TestApp::start().await;
    for path in ["/reference/index.html", "/reference/openapi.json"] {
        let page = page(&app, path).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn path_without_a_slash_redirects() {
    let app = TestApp::start().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let url = format!("{}/reference", app.api.base);
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(response.headers()["location"], "reference/");
}

#[test]
fn reference_is_small() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/reference");
    let files = std::fs::read_dir(folder).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 20_000, "{bytes}");
}
