//! How the customer portal is served. `.ci/portal` tests what it does in a browser.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use webhook_endpoints::domain::branding::Branding;

use crate::support::{Options, TestApp, answer};

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/portal");

/// The size limit of all files together.
pub(crate) const MAX_BYTES: usize = 150_000;

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

async fn page(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Page {
    page_by(app, Method::GET, path, headers).await
}

async fn page_by(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Page {
    let request = app.api.bare(method, path);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let response = request.send().await.unwrap();
    Page {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// The files in `portal/`, by relative path.
pub(crate) fn files() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![Path::new(FOLDER).to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(FOLDER).unwrap();
                names.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    names
}

/// The folder that `index.html` loads its files from. Its name is a version of their content.
async fn versioned_folder(app: &TestApp) -> String {
    let index = page(app, "/portal/", &[]).await;
    let rest = index.text().split("\"static/").nth(1).unwrap();
    format!("/portal/static/{}/", rest.split('/').next().unwrap())
}

#[tokio::test]
async fn every_file_is_served_without_a_key_or_an_aws_call() {
    let app = TestApp::start().await;
    let folder = versioned_folder(&app).await;
    for name in files() {
        let path = match name.as_str() {
            "index.html" => "/portal/".to_owned(),
            name => format!("{folder}{name}"),
        };
        let page = page(&app, &path, &[]).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let expected = match name.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other}: {name}"),
        };
        assert_eq!(page.header("content-type"), expected, "{path}");
        let mut served = page.text();
        let mut written = fs::read_to_string(Path::new(FOLDER).join(&name)).unwrap();
        if name == "index.html" {
            let version = folder.split('/').nth(3).unwrap();
            let values = [
                ("{version}", version),
                ("{title}", "Webhooks"),
                ("{logo}", ""),
            ];
            for (placeholder, value) in values {
                assert!(written.contains(placeholder), "{placeholder}");
                written = written.replace(placeholder, value);
            }
        } else if name == "portal.css" {
            let (colors, own) = served.split_at(written.len());
            assert!(own.trim_start().starts_with(":root { --accent: "), "{own}");
            served = colors;
        }
        assert_eq!(served, written, "{path}");
    }
    assert!(app.aws.wire.take().is_empty());
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let app = TestApp::start().await;
    let folder = versioned_folder(&app).await;
    for path in [
        "/portal/",
        &format!("{folder}portal.css"),
        &format!("{folder}app.js"),
    ] {
        let first = page(&app, path, &[]).await;
        let etag = first.header("etag").to_owned();
        let unchanged = page(&app, path, &[("if-none-match", &etag)]).await;
        for page in [&first, &unchanged] {
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(
                page.header("content-security-policy"),
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                 connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                 require-trusted-types-for 'script'; trusted-types 'none'",
                "{path}"
            );
            assert!(page.headers.contains_key("x-request-id"), "{path}");
        }
    }
}

#[tokio::test]
async fn etags_are_strong_and_answered_with_304() {
    let app = TestApp::start().await;
    let folder = versioned_folder(&app).await;
    let mut seen = BTreeSet::new();
    for path in [
        "/portal/",
        &format!("{folder}app.js"),
        &format!("{folder}portal.css"),
    ] {
        for coding in ["identity", "gzip, deflate, br"] {
            let coding = ("accept-encoding", coding);
            let first = page(&app, path, &[coding]).await;
            let etag = first.header("etag").to_owned();
            assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
            assert!(seen.insert(etag.clone()), "{path} shares {etag}");
            for given in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
                let again = page(&app, path, &[coding, ("if-none-match", &given)]).await;
                assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{given}");
                assert!(again.body.is_empty());
                assert_eq!(again.header("etag"), etag);
                assert_eq!(again.header("cache-control"), first.header("cache-control"));
            }
            let other = page(&app, path, &[coding, ("if-none-match", "\"other\"")]).await;
            assert_eq!(other.status, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn only_versioned_urls_are_cached_for_good() {
    let app = TestApp::start().await;
    let folder = versioned_folder(&app).await;
    let fixed = page(&app, &format!("{folder}app.js"), &[]).await;
    assert_eq!(
        fixed.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    let old = page(&app, "/portal/static/0123/app.js", &[]).await;
    assert_eq!(old.header("cache-control"), "no-cache");
    assert_eq!(old.body, fixed.body);
    let index = page(&app, "/portal/", &[]).await;
    assert_eq!(index.header("cache-control"), "no-cache");

    let mut options = Options::idle();
    options.settings.branding.accent = "#ffee00".parse().unwrap();
    let other = TestApp::start_with(options).await;
    assert_ne!(versioned_folder(&other).await, folder);
}

#[tokio::test]
async fn files_are_compressed_for_clients_that_accept_it() {
    let app = TestApp::start().await;
    for (accepted, deflates) in [
        ("deflate", true),
        ("gzip, deflate;q=0.5, br", true),
        ("gzip, br", false),
        ("deflate;q=0", false),
        ("deflate; q=0.0", false),
        ("identity", false),
    ] {
        let page = page(&app, "/portal/", &[("accept-encoding", accepted)]).await;
        assert_eq!(page.header("vary"), "accept-encoding");
        let coding = page.headers.get("content-encoding");
        assert_eq!(coding.is_some(), deflates, "{accepted}");
        let text = match coding {
            Some(_) => decompress_to_vec_zlib_with_limit(&page.body, MAX_BYTES).unwrap(),
            None => page.body,
        };
        assert!(text.starts_with(b"<!doctype html>"), "{accepted}");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let app = TestApp::start().await;
    let get = page(&app, "/portal/", &[]).await;
    let head = page_by(&app, Method::HEAD, "/portal/", &[]).await;
    assert_eq!(head.status, StatusCode::OK);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert_eq!(head.header("etag"), get.header("etag"));
}

#[tokio::test]
async fn path_without_a_slash_redirects_below_any_stage() {
    let app = TestApp::start().await;
    let client = reqwest::Client::builder().no_proxy();
    let client = client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let url = format!("{}/portal", app.api.base);
    let response = client.get(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(response.headers()["location"], "portal/");
}

#[tokio::test]
async fn unknown_files_and_methods_get_the_usual_errors() {
    let app = TestApp::start().await;
    let folder = versioned_folder(&app).await;
    for path in [
        "/portal/index.html.bak",
        "/portal/app.js",
        "/portal/static/",
        "/portal/static/app.js",
        "/portal/static//index.html",
        "/portal/static/../../Cargo.toml",
        "/portal/%2e%2e/Cargo.toml",
        "/portal/..%2fCargo.toml",
        "/portal//",
        &format!("{folder}index.html"),
        "/portal/portal.css",
        &format!("{folder}views/"),
        &format!("{folder}views/missing.js"),
    ] {
        let request = app.api.bare(Method::GET, path);
        answer(request).await.must_fail_with(404, "NOT_FOUND");
    }
    for path in ["/portal", "/portal/", &*format!("{folder}app.js")] {
        let page = page_by(&app, Method::POST, path, &[]).await;
        assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(page.text().contains("\"METHOD_NOT_ALLOWED\""), "{path}");
        assert_eq!(page.header("allow"), "GET,HEAD", "{path}");
    }
}

#[tokio::test]
async fn branding_reaches_the_page_without_inline_code() {
    let mut options = Options::idle();
    options.settings.branding = Branding {
        title: "</script><script>alert(1)</script>".parse().unwrap(),
        logo: "https://cdn.example.com/logo.svg".parse().unwrap(),
        accent: "#ffee00".parse().unwrap(),
        frame_ancestors: "https://app.example.com,https://*.example.org"
            .parse()
            .unwrap(),
    };
    let app = TestApp::start_with(options).await;
    let index = page(&app, "/portal/", &[]).await;
    let title = "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;";
    for element in [
        format!("<title>{title}</title>"),
        format!("<meta name=\"application-name\" content=\"{title}\">"),
        "<meta name=\"portal-logo\" content=\"https://cdn.example.com/logo.svg\">".to_owned(),
    ] {
        assert!(index.text().contains(&element), "{element}");
    }
    assert!(!index.text().contains("<script>"));
    let policy = index.header("content-security-policy");
    assert!(
        policy.contains("img-src 'self' data: https://cdn.example.com; "),
        "{policy}"
    );
    let ancestors = "frame-ancestors https://app.example.com https://*.example.org; ";
    assert!(policy.contains(ancestors), "{policy}");
    let path = format!("{}portal.css", versioned_folder(&app).await);
    let css = page(&app, &path, &[]).await;
    assert!(
        css.text()
            .contains("--accent: #ffee00; --on-accent: #000000;"),
        "{}",
        css.text()
    );
}
