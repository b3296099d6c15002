//! Tests `import` and `export` as operators use them: runs the binary as a separate process, which
//! calls the API over HTTP, through a middleware that can inject failures.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use local::emulators::Emulators;
use local::service::{self, Settings};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::api_key::NewKey;
use webhook_endpoints::domain::scope::Grant;
use webhook_endpoints::operator::keys;

/// A valid secret that must not appear in any output.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// How the API handles the next creates of endpoints: first `good` of them, and so on.
#[derive(Default)]
struct Failures {
    /// How many succeed.
    good: AtomicUsize,
    /// How many then get a 429.
    throttled: AtomicUsize,
    /// How many then get a 401.
    unauthorized: AtomicUsize,
    /// How many then take effect, but get a 503.
    unclear: AtomicUsize,
}

/// A running API, and a key of the platform.
struct Service {
    api: String,
    key: String,
    failures: Arc<Failures>,
    http: reqwest::Client,
}

impl Service {
    async fn start() -> Self {
        let emulators = Emulators::start(None, |client| client).await.unwrap();
        let clients = emulators.clients.clone();
        let resources = clients.create_resources("test", None).await.unwrap();
        let table = Table::new(clients.dynamodb.clone(), resources.table_name.clone());
        let new = NewKey {
            grant: Grant::Platform,
            label: String::new(),
            expires_at: None,
        };
        let now = Clock::system().now();
        let (key, _) = keys::create(&table, "whk", new, now).await.unwrap();
        let failures = Arc::new(Failures::default());
        failures.good.store(usize::MAX, Ordering::SeqCst);
        let api = service::api(&clients, &resources, &Settings::default()).layer(
            middleware::from_fn_with_state(Arc::clone(&failures), inject),
        );
        Self {
            api: serve(api).await,
            key: key.expose().to_owned(),
            failures,
            http: reqwest::Client::new(),
        }
    }

    /// Runs the command with `input` on its standard input. Asserts that it prints no secrets.
    async fn admin(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-admin"))
            .args(arguments)
            .env_clear()
            .env("API_URL", &self.api)
            .env("API_KEY", &self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        for stream in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(stream);
            assert!(
                !text.contains(SECRET) && !text.contains(&self.key),
                "{text}"
            );
        }
        output
    }

    /// Imports these lines. Returns the report, and whether the exit code is zero.
    async fn import(&self, lines: &[Value], more: &[&str]) -> (Value, bool) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let arguments = [&["import", "-", "--per-second", "100", "--json"], more].concat();
        let output = self.admin(&arguments, &text).await;
        let report = serde_json::from_slice(&output.stdout).unwrap();
        (report, output.status.success())
    }

    async fn endpoints(&self, app_id: &str) -> Vec<Value> {
        let app = format!("{}/apps/{app_id}", self.api);
        let session = self.http.post(format!("{app}/portal-sessions"));
        let session: Value = session
            .bearer_auth(&self.key)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let Some(token) = session["data"]["token"].as_str() else {
            return Vec::new();
        };
        let list = self.http.get(format!("{app}/webhooks?view=full"));
        let mut list: Value = list
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        serde_json::from_value(list["data"].take()).unwrap()
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

async fn inject(State(failures): State<Arc<Failures>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.uri().path().ends_with("/webhooks") {
        return next.run(request).await;
    }
    // Decrements a count, unless it is zero.
    let take = |count: &AtomicUsize| {
        let taken = count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        taken.is_ok()
    };
    if take(&failures.good) {
        return next.run(request).await;
    }
    if take(&failures.throttled) {
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response();
    }
    if take(&failures.unauthorized) {
        let body = r#"{"success":false,"error":{"code":"AUTHENTICATION_ERROR","message":"No."}}"#;
        return (StatusCode::UNAUTHORIZED, body).into_response();
    }
    let response = next.run(request).await;
    match take(&failures.unclear) {
        true => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        false => response,
    }
}

fn line(number: usize) -> Value {
    json!({
        "appId": format!("app-{}", number % 2),
        "externalId": format!("ep_{number}"),
        "url": format!("https://example.com/{number}"),
        "events": ["invoice.paid"],
        "secret": SECRET,
    })
}

fn outcomes(report: &Value) -> Vec<&str> {
    let lines = report["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn imports_create_endpoints_once() {
    let service = Service::start().await;
    let lines = [line(0), line(1), line(2)];
    let (dry, ok) = service.import(&lines, &["--dry-run"]).await;
    assert!(ok);
    assert_eq!(outcomes(&dry), ["created"; 3]);
    assert_eq!(service.endpoints("app-0").await, Vec::<Value>::new());

    let (report, ok) = service.import(&lines, &[]).await;
    assert!(ok);
    assert_eq!(outcomes(&report), ["created"; 3]);
    assert_eq!(report["lines"][2]["newSecret"], false);
    let endpoints = service.endpoints("app-0").await;
    assert_eq!(endpoints.len(), 2);
    assert_eq!(endpoints[0]["id"], report["lines"][2]["id"]);
    assert_eq!(endpoints[0]["metadata"]["externalId"], "ep_2");

    let (report, ok) = service.import(&lines, &[]).await;
    assert!(ok);
    assert_eq!(outcomes(&report), ["unchanged"; 3]);
    assert_eq!(service.endpoints("app-0").await.len(), 2);
}

#[tokio::test]
async fn equal_lines_without_external_id_create_separate_endpoints() {
    let service = Service::start().await;
    let anonymous = json!({ "appId": "a", "url": "https://example.com", "events": ["x", "y"] });
    let (report, _) = service.import(std::slice::from_ref(&anonymous), &[]).await;
    assert_eq!(report["lines"][0]["newSecret"], true);
    let (report, ok) = service.import(&[anonymous.clone(), anonymous], &[]).await;
    assert!(ok);
    assert_eq!(outcomes(&report), ["unchanged", "created"]);
    assert_eq!(service.endpoints("a").await.len(), 2);
}

#[tokio::test]
async fn invalid_lines_are_refused_and_the_others_imported() {
    let service = Service::start().await;
    let wrong = json!({ "appId": "a", "url": "ftp://example.com", "events": [], "secret": SECRET });
    let lines = [line(0), wrong, json!({ "url": SECRET }), line(0), line(2)];
    for more in [&["--dry-run"][..], &[]] {
        let (report, ok) = service.import(&lines, more).await;
        assert!(!ok);
        let expected = ["created", "refused", "refused", "refused", "created"];
        assert_eq!(outcomes(&report), expected, "{report}");
        let reasons: Vec<_> = [1, 2, 3]
            .map(|at| report["lines"][at]["reason"].as_str().unwrap())
            .into();
        assert!(
            reasons[0].contains("url ") && reasons[0].contains("events "),
            "{reasons:?}"
        );
        assert_eq!(reasons[1], "appId is missing");
        assert_eq!(reasons[2], "an earlier line has the same externalId");
        assert_eq!(report["lines"][1]["line"], 2);
    }
    assert_eq!(service.endpoints("app-0").await.len(), 2);
}

#[tokio::test]
async fn different_endpoints_change_only_with_update() {
    let service = Service::start().await;
    service.import(&[line(0)], &[]).await;
    let mut changed = line(0);
    changed["url"] = "https://example.org".into();
    changed["active"] = false.into();
    let (report, ok) = service.import(std::slice::from_ref(&changed), &[]).await;
    assert!(ok);
    assert_eq!(report["lines"][0]["fields"], json!(["active", "url"]));
    assert_eq!(service.endpoints("app-0").await[0]["active"], true);

    let (report, ok) = service
        .import(std::slice::from_ref(&changed), &["--update"])
        .await;
    assert!(ok);
    assert_eq!(outcomes(&report), ["updated"]);
    let endpoints = service.endpoints("app-0").await;
    assert_eq!(endpoints[0]["url"], "https://example.org");
    assert_eq!(endpoints[0]["metadata"]["externalId"], "ep_0");
    let (report, _) = service.import(&[changed], &["--update"]).await;
    assert_eq!(outcomes(&report), ["unchanged"]);
}

#[tokio::test]
async fn retries_create_no_duplicates() {
    let service = Service::start().await;
    service.failures.good.store(1, Ordering::SeqCst);
    service.failures.throttled.store(2, Ordering::SeqCst);
    service.failures.unclear.store(1, Ordering::SeqCst);
    let anonymous = json!({ "appId": "a", "url": "https://example.com", "events": ["x"] });
    let lines = [anonymous.clone(), anonymous.clone(), anonymous];
    let (report, ok) = service.import(&lines, &[]).await;
    assert!(ok, "{report}");
    assert_eq!(service.endpoints("a").await.len(), 3);
}

#[tokio::test]
async fn interrupted_imports_continue_when_repeated() {
    let service = Service::start().await;
    service.failures.good.store(2, Ordering::SeqCst);
    service.failures.unauthorized.store(2, Ordering::SeqCst);
    let lines: Vec<_> = (0..4).map(line).collect();
    let (report, ok) = service.import(&lines, &[]).await;
    assert!(!ok);
    assert_eq!(report["stopped"], "stopped at line 3: No.");
    assert_eq!(outcomes(&report), ["created"; 2]);
    let (report, ok) = service.import(&lines, &[]).await;
    assert!(ok);
    assert_eq!(
        outcomes(&report),
        ["unchanged", "unchanged", "created", "created"]
    );
}

#[tokio::test]
async fn exports_can_be_imported_and_contain_no_secrets() {
    let service = Service::start().await;
    let mut given = line(0);
    given["rateLimit"] = 5.into();
    service.import(&[given, line(2)], &[]).await;
    let output = service.admin(&["export", "--app", "app-0"], "").await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let exported: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(exported.len(), 2);
    assert_eq!(exported[0]["url"], "https://example.com/0");
    assert_eq!(exported[0]["rateLimit"], 5);
    assert!(exported[0].get("secret").is_none());

    let (report, ok) = service.import(&exported, &[]).await;
    assert!(ok);
    assert_eq!(outcomes(&report), ["unchanged"; 2]);
    let moved: Vec<_> = exported
        .into_iter()
        .map(|mut line| {
            line["appId"] = "elsewhere".into();
            line
        })
        .collect();
    let (report, ok) = service.import(&moved, &[]).await;
    assert!(ok, "{report}");
    assert_eq!(outcomes(&report), ["created"; 2]);
    assert_eq!(report["lines"][0]["newSecret"], true);
}

#[tokio::test]
async fn exports_without_app_contain_all_created_apps() {
    let service = Service::start().await;
    for app in ["a", "b", "c"] {
        let url = format!("{}/apps/{app}", service.api);
        let request = service
            .http
            .put(url)
            .bearer_auth(&service.key)
            .json(&json!({}));
        request.send().await.unwrap().error_for_status().unwrap();
    }
    let lines = ["c", "a"]
        .map(|app| json!({ "appId": app, "url": "https://example.com", "events": ["*"] }));
    service.import(&lines, &[]).await;
    let output = service.admin(&["export"], "").await;
    let text = String::from_utf8(output.stdout).unwrap();
    let apps: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        apps.iter().map(|line| &line["appId"]).collect::<Vec<_>>(),
        ["a", "c"]
    );
}

#[tokio::test]
async fn missing_api_key_is_reported() {
    let output = Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-admin"))
        .args(["export", "--api-url", "http://127.0.0.1:9"])
        .env_clear()
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: the variable API_KEY is not set\n"
    );
}
