//! Tests the admin command as operators use it: runs the binary as a separate process,
//! with `AWS_ENDPOINT_URL` pointing at emulators.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use local::emulators::{Clients, Emulators, Resources};
use local::gateway;
use local::service::{self, SECRET_PREFIX, Settings};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use webhook_endpoints::aws::Stores;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::aws::table::{Marked, Presence};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::id::{AppId, EndpointId, KeyId};
use webhook_endpoints::domain::signing::SigningSecret;

/// A running API, and emulators that are reachable over HTTP.
struct Service {
    api: String,
    aws: String,
    clients: Clients,
    resources: Resources,
    http: reqwest::Client,
}

impl Service {
    async fn start() -> Self {
        let emulators = Arc::new(Emulators::start(None, |client| client).await.unwrap());
        let clients = emulators.clients.clone();
        let resources = clients.create_resources("test", None).await.unwrap();
        let settings = Settings {
            api_key_cache: Duration::ZERO,
            ..Settings::default()
        };
        let aws = gateway::router(Arc::clone(&emulators)).layer(middleware::from_fn_with_state(
            clients.clone(),
            list_secrets_of_two_hours_ago,
        ));
        Self {
            api: serve(service::api(&clients, &resources, &settings)).await,
            aws: serve(aws).await,
            clients,
            resources,
            http: reqwest::Client::new(),
        }
    }

    /// Runs the command with only these variables in its environment.
    async fn admin(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-admin"))
            .args(arguments)
            .env_clear()
            .env("AWS_ENDPOINT_URL", &self.aws)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("TABLE_NAME", &self.resources.table_name)
            .env("SECRET_PREFIX", SECRET_PREFIX)
            .output()
            .await
            .unwrap()
    }

    async fn admin_json(&self, arguments: &[&str]) -> Value {
        let output = self.admin(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Lists an app's endpoints through the API, and returns the status.
    async fn list(&self, app_id: &str, key: &str) -> StatusCode {
        let url = format!("{}/apps/{app_id}/webhooks", self.api);
        let request = self.http.get(url).header("x-api-key", key);
        request.send().await.unwrap().status()
    }

    /// Creates an endpoint through the API.
    async fn create_endpoint(&self, app_id: &str, key: &str) -> EndpointId {
        let url = format!("{}/apps/{app_id}/webhooks", self.api);
        let request = self.http.post(url).header("x-api-key", key).json(&json!({
            "url": "https://example.com/hook",
            "events": ["*"],
        }));
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        EndpointId::parse(created["data"]["id"].as_str().unwrap()).unwrap()
    }

    /// Names of all secrets, except those that are scheduled for deletion.
    async fn secret_names(&self) -> Vec<String> {
        let listed = self.clients.secrets.list_secrets().send().await.unwrap();
        let secrets = listed.secret_list.unwrap_or_default();
        let mut names: Vec<_> = secrets.into_iter().filter_map(|s| s.name).collect();
        names.sort_unstable();
        names
    }

    async fn restores(&self, name: &str) -> bool {
        let restored = self.clients.secrets.restore_secret().secret_id(name);
        restored.send().await.is_ok()
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

/// Adds to the emulator's `ListSecrets` what AWS has: the name filter and pages (of
/// one secret, to get many). Also backdates all secrets by two hours.
async fn list_secrets_of_two_hours_ago(
    State(clients): State<Clients>,
    request: Request,
    next: Next,
) -> Response {
    let target = request.headers().get("x-amz-target");
    if target.is_none_or(|target| target != "secretsmanager.ListSecrets") {
        return next.run(request).await;
    }
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(request["Filters"][0]["Key"], "name");
    let prefix = request["Filters"][0]["Values"][0].as_str().unwrap();
    let from: usize = match request["NextToken"].as_str() {
        Some(token) => token.parse().unwrap(),
        None => 0,
    };
    let listed = clients.secrets.list_secrets().send().await.unwrap();
    let mut secrets = listed.secret_list.unwrap_or_default();
    secrets.retain(|secret| secret.name().unwrap().starts_with(prefix));
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    let page: Vec<_> = secrets
        .iter()
        .skip(from)
        .take(1)
        .map(|secret| {
            let created = secret.created_date().unwrap().secs() - 2 * 60 * 60;
            json!({ "Name": secret.name(), "ARN": secret.arn(), "CreatedDate": created })
        })
        .collect();
    let more = from + 1 < secrets.len();
    Json(json!({
        "SecretList": page,
        "NextToken": more.then(|| (from + 1).to_string()),
    }))
    .into_response()
}

#[tokio::test]
async fn created_keys_work_for_their_app_until_revoked() {
    let service = Service::start().await;
    let create = ["keys", "create", "--new-app", "--label", "billing"];
    let created = service.admin_json(&create).await;
    let (app_id, id) = (
        created["appId"].as_str().unwrap(),
        created["id"].as_str().unwrap(),
    );
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("whk_"), "{key}");
    assert_eq!(service.list(app_id, key).await, StatusCode::OK);
    let other_app = AppId::new().to_string();
    assert_eq!(service.list(&other_app, key).await, StatusCode::NOT_FOUND);

    let list = ["keys", "list", "--app", app_id];
    let listed = service.admin_json(&list).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["label"], "billing");
    assert_eq!(listed[0]["ends"], key[key.len() - 4..]);
    assert_eq!(listed[0]["revokedAt"], Value::Null);
    assert_eq!(listed[0].get("key"), None);

    let revoke = ["keys", "revoke", "--app", app_id, "--key", id];
    let revoked = service.admin_json(&revoke).await;
    assert_eq!(service.list(app_id, key).await, StatusCode::UNAUTHORIZED);
    let listed = service.admin_json(&list).await;
    assert_eq!(listed[0]["revokedAt"], revoked["revokedAt"]);
    assert_eq!(service.admin_json(&revoke).await, revoked);
}

#[tokio::test]
async fn keys_have_the_scope_and_the_expiry_that_they_were_created_with() {
    let service = Service::start().await;
    let create = ["keys", "create", "--app", "acme", "--scope"];
    let expires = ["--expires-at", "2020-01-31T09:30:00.500Z"];
    for (scope, more, status) in [
        ("all", &[][..], StatusCode::OK),
        ("read", &[], StatusCode::OK),
        ("publish", &[], StatusCode::FORBIDDEN),
        ("read", &expires, StatusCode::UNAUTHORIZED),
    ] {
        let created = service
            .admin_json(&[&create[..], &[scope], more].concat())
            .await;
        assert_eq!(created["scope"], scope);
        assert_eq!(created["expiresAt"].is_null(), more.is_empty());
        let key = created["key"].as_str().unwrap();
        assert_eq!(service.list("acme", key).await, status, "{scope}");
    }
    let output = service.admin(&["keys", "list", "--app", "acme"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    let expired = table.lines().last().unwrap();
    assert!(expired.contains("  read   ") && expired.contains("2020-01-31T09:30:00.000Z"));
}

#[tokio::test]
async fn apps_are_made_changed_and_listed() {
    let service = Service::start().await;
    let put = ["apps", "put", "--app", "acme"];
    let metadata = ["--metadata", r#"{"plan": "pro"}"#];
    let made = service.admin_json(&[&put[..], &metadata].concat()).await;
    assert_eq!(made["metadata"]["plan"], "pro");
    let changed = service
        .admin_json(&[&put[..], &["--name", "Acme"]].concat())
        .await;
    assert_eq!(changed["metadata"], made["metadata"]);
    assert_eq!(changed["createdAt"], made["createdAt"]);
    service.admin_json(&["apps", "put", "--app", "beta"]).await;

    let listed = service.admin_json(&["apps", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0], changed);
    let output = service.admin(&["apps", "list", "--prefix", "ac"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("acme") && table.contains("Acme") && !table.contains("beta"));

    let key = service
        .admin_json(&["keys", "create", "--app", "acme"])
        .await;
    let deleted = service
        .admin_json(&["apps", "delete", "--app", "acme"])
        .await;
    assert_eq!(deleted["status"], "DELETING");
    let key = key["key"].as_str().unwrap();
    assert_eq!(service.list("acme", key).await, StatusCode::UNAUTHORIZED);
    let output = service.admin(&put).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test]
async fn event_types_are_put_listed_shown_and_deleted() {
    let service = Service::start().await;
    let dir = std::env::temp_dir().join(format!("admin-{}", AppId::new()));
    std::fs::create_dir(&dir).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let schema = file("schema.json", "{\"type\": \"object\"}\n");
    let example = file("example.json", "{\"amount\": 1e2}\n");
    let wrong = file("wrong.json", "{\"type\": \"int\"}");
    let put = [
        "event-types",
        "put",
        "--type",
        "invoice.paid",
        "--description",
        "Paid.",
    ];
    let whole = [
        "--schema",
        &schema,
        "--example",
        &example,
        "--group",
        "Billing",
    ];
    let added = service.admin_json(&[&put[..], &whole].concat()).await;
    assert_eq!(added["example"], json!({"amount": 100.0}));
    assert_eq!(added["schema"], json!({"type": "object"}));
    let shown = ["event-types", "get", "--type", "invoice.paid"];
    assert_eq!(service.admin_json(&shown).await, added);
    let list = [
        "event-types",
        "list",
        "--prefix",
        "invoice.",
        "--group",
        "Billing",
    ];
    assert_eq!(service.admin_json(&list).await, json!([added]));

    let refused = service
        .admin(&[&put[..], &["--schema", &wrong]].concat())
        .await;
    assert!(!refused.status.success());
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(
        error.contains("the schema must be a JSON Schema"),
        "{error}"
    );
    for missing in ["no-such-file", "."] {
        let refused = service
            .admin(&[&put[..], &["--example", missing]].concat())
            .await;
        assert!(!refused.status.success(), "{refused:?}");
    }
    let reserved = [
        "event-types",
        "put",
        "--type",
        "test.ping",
        "--description",
        "",
    ];
    assert!(!service.admin(&reserved).await.status.success());

    let changed = service.admin(&[&put[..], &["--deprecated"]].concat()).await;
    assert_eq!(changed.stdout, b"event type invoice.paid was changed\n");
    let listed = service.admin(&["event-types", "list"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("yes") && listed.contains("Paid."),
        "{listed}"
    );
    let delete = ["event-types", "delete", "--type", "invoice.paid"];
    assert!(service.admin(&delete).await.status.success());
    for gone in [&delete, &shown] {
        let missing = service.admin(gone).await;
        assert!(!missing.status.success());
        let error = String::from_utf8(missing.stderr).unwrap();
        assert!(error.contains("has no event type invoice.paid"), "{error}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn keys_of_the_platform_are_created_listed_and_revoked() {
    let service = Service::start().await;
    let created = service
        .admin_json(&["keys", "create", "--platform", "--label", "backend"])
        .await;
    let (id, key) = (
        created["id"].as_str().unwrap(),
        created["key"].as_str().unwrap(),
    );
    assert!(key.starts_with("whk_platform_"), "{key}");
    assert_eq!(created["scope"], "platform");
    assert_eq!(created["appId"], Value::Null);
    // An app's endpoints are not the platform's to read.
    assert_eq!(service.list("acme", key).await, StatusCode::FORBIDDEN);

    let list = ["keys", "list", "--platform"];
    let listed = service.admin_json(&list).await;
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    service
        .admin_json(&["keys", "revoke", "--platform", "--key", id])
        .await;
    assert_eq!(service.list("acme", key).await, StatusCode::UNAUTHORIZED);
    assert_ne!(service.admin_json(&list).await[0]["revokedAt"], Value::Null);
}

#[tokio::test]
async fn sessions_are_created_and_revoked() {
    let service = Service::start().await;
    service.admin_json(&["apps", "put", "--app", "acme"]).await;
    let create = ["sessions", "create", "--app", "acme"];
    let created = service.admin_json(&create).await;
    assert_eq!(created["scope"], "manage");
    assert_eq!(created["url"], Value::Null);
    let token = created["token"].as_str().unwrap();
    assert_eq!(service.list("acme", token).await, StatusCode::OK);

    let endpoint = service.create_endpoint("acme", token).await.to_string();
    let narrow = ["--scope", "read", "--webhook", &endpoint];
    let times = ["--expires-in-seconds", "60"];
    let narrow = service
        .admin_json(&[&create[..], &narrow, &times].concat())
        .await;
    assert_eq!(narrow["scope"], "read");
    assert_eq!(narrow["webhookId"], *endpoint);
    let narrow = narrow["token"].as_str().unwrap();
    assert_eq!(service.list("acme", narrow).await, StatusCode::OK);

    let portal = ["--portal-url", "https://webhooks.example.com/"];
    let output = service.admin(&[&create[..], &portal].concat()).await;
    let stdout = String::from_utf8(output.stdout).unwrap();
    let link = stdout.strip_suffix('\n').unwrap();
    let address = "https://webhooks.example.com/portal/#app=acme&token=";
    let linked = link.strip_prefix(address).unwrap();
    assert_eq!(service.list("acme", linked).await, StatusCode::OK);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("acme") && !stderr.contains(linked));

    let id = created["id"].as_str().unwrap();
    let revoke = ["sessions", "revoke", "--app", "acme", "--session", id];
    service.admin_json(&revoke).await;
    assert_eq!(service.list("acme", token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(service.list("acme", linked).await, StatusCode::OK);
    assert_eq!(service.admin(&revoke).await.status.code(), Some(1));
    // They are no keys.
    let keys = service.admin_json(&["keys", "list", "--app", "acme"]).await;
    assert_eq!(keys, json!([]));
    service
        .admin_json(&["apps", "delete", "--app", "acme"])
        .await;
    assert_eq!(service.list("acme", linked).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn reserved_app_gets_neither_keys_nor_sessions() {
    let service = Service::start().await;
    for resource in ["keys", "sessions"] {
        let create = [resource, "create", "--app", "operational"];
        let output = service.admin(&create).await;
        assert!(!output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("operational is reserved"), "{stderr}");
    }
}

#[tokio::test]
async fn keys_create_prints_only_the_key_to_standard_output() {
    let service = Service::start().await;
    let app_id = AppId::new().to_string();
    let output = service
        .admin(&["keys", "create", "--app", &app_id, "--prefix", "acme_live"])
        .await;
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let key = stdout.strip_suffix('\n').unwrap();
    assert!(key.starts_with("acme_live_"), "{key}");
    assert_eq!(service.list(&app_id, key).await, StatusCode::OK);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&app_id) && !stderr.contains(key));

    let output = service.admin(&["keys", "list", "--app", &app_id]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains(&key[key.len() - 4..]) && !table.contains(key));
}

#[tokio::test]
async fn failures_set_the_exit_code() {
    let service = Service::start().await;
    // Looked up in the table only if there is a secret.
    let secret = SigningSecret::generate(&mut rand::rng());
    let stores = service::stores(&service.clients, &service.resources);
    let orphan = EndpointKey {
        app_id: AppId::new(),
        endpoint_id: EndpointId::new(),
    };
    stores.secrets.create(orphan, &secret).await.unwrap();
    let (app_id, key_id) = ("acme".to_owned(), KeyId::new().to_string());
    let failing: [(i32, &[&str], &str); 20] = [
        (
            1,
            &["sessions", "create", "--app", &app_id],
            "app acme was never made",
        ),
        (
            1,
            &["sessions", "create", "--app", "x", "--table-name", "none"],
            "no table \"none\" in this account and Region",
        ),
        (
            2,
            &["sessions", "create", "--app", "x", "--scope", "all"],
            "must be manage or read",
        ),
        (
            2,
            &[
                "sessions",
                "create",
                "--app",
                "x",
                "--expires-in-seconds",
                "1h",
            ],
            "from 60 to 604,800",
        ),
        (
            2,
            &[
                "sessions",
                "create",
                "--app",
                "x",
                "--portal-url",
                "http://x",
            ],
            "must be an https URL",
        ),
        (
            1,
            &["keys", "revoke", "--app", &app_id, "--key", &key_id],
            &key_id,
        ),
        (
            1,
            &["keys", "create", "--new-app", "--prefix", "a-b"],
            "prefix",
        ),
        (
            1,
            &["keys", "list", "--app", &app_id, "--table-name", "none"],
            "no table \"none\" in this account and Region",
        ),
        (
            1,
            &["keys", "create", "--new-app", "--table-name", "none"],
            "no table \"none\" in this account and Region",
        ),
        (
            1,
            &["secrets", "sweep", "--table-name", "none"],
            "no table \"none\" in this account and Region",
        ),
        (2, &["keys", "list", "--app", "-x"], "--app=-x"),
        (2, &["keys", "create"], "--new-app"),
        (
            1,
            &["keys", "create", "--new-app", "--prefix", "acme_platform"],
            "platform",
        ),
        (
            2,
            &["keys", "create", "--app", &app_id, "--scope", "platform"],
            "must be all, manage, publish or read",
        ),
        (
            2,
            &["keys", "create", "--platform", "--scope", "read"],
            "--platform",
        ),
        (
            2,
            &["keys", "create", "--app", &app_id, "--expires-at", "soon"],
            "ISO 8601",
        ),
        (
            2,
            &["keys", "create", "--new-app", "--app", &app_id],
            "--new-app",
        ),
        (2, &["keys", "list", "--app", "a/b"], "1 to 64 letters"),
        (
            2,
            &["apps", "put", "--app", "x", "--metadata", r#"{"plan": 1}"#],
            "metadata.plan must be a string",
        ),
        (
            2,
            &["secrets", "sweep", "--older-than", "299s"],
            "at least 5m",
        ),
    ];
    for (code, arguments, says) in failing {
        let output = service.admin(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(says), "{stderr}");
    }
}

#[tokio::test]
async fn apps_whose_ids_begin_with_a_hyphen_can_have_keys() {
    let service = Service::start().await;
    let created = service.admin_json(&["keys", "create", "--app=-x"]).await;
    let key = created["key"].as_str().unwrap();
    assert_eq!(service.list("-x", key).await, StatusCode::OK);
}

#[tokio::test]
async fn missing_regions_are_named() {
    for region in ["", "AWS_REGION"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-admin"));
        command.args(["keys", "list", "--app", "acme"]).env_clear();
        command.env("TABLE_NAME", "table").env("HOME", "/nowhere");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        if region.is_empty() {
            command.env("AWS_REGION", region);
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let says =
            "error: no AWS Region is set: set AWS_REGION, or AWS_PROFILE to a profile with one\n";
        assert_eq!(stderr, says);
    }
}

#[tokio::test]
async fn api_keys_among_the_arguments_are_never_printed() {
    let service = Service::start().await;
    let created = service
        .admin_json(&["keys", "create", "--app", "acme"])
        .await;
    let key = created["key"].as_str().unwrap();
    let with_equals = format!("--key={key}");
    let in_label = format!("the key is {key}");
    for arguments in [
        &["keys", "revoke", "--app", "acme", "--key", key][..],
        &["keys", "revoke", "--app", "acme", &with_equals],
        &["keys", "revoke", "--app", "acme", key],
        &["keys", "revoke", "--app", key, "--key", "x"],
        &["keys", "list", "--app", key],
        &["apps", "put", "--app", key],
        &["keys", "create", "--app", key],
        &["keys", "create", "--app", "acme", "--prefix", key],
        &["keys", "create", "--app", "acme", "--label", &in_label],
        &["keys", "list", "--app", "acme", "--table-name", key],
        &["secrets", "sweep", "--older-than", key],
        &[key],
    ] {
        let output = service.admin(arguments).await;
        assert!(!output.status.success(), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.is_empty() && !stderr.contains(key), "{stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// An app with what the sweep has to tell apart.
struct Leftovers {
    app: String,
    stores: Stores,
    live: EndpointKey,
    /// Its deletion was interrupted after the mark.
    marked: EndpointKey,
    /// Its deletion was interrupted after the secret was removed.
    half: EndpointKey,
    /// Its deletion has just begun.
    young: EndpointKey,
    /// A secret whose endpoint was never created.
    orphan: EndpointKey,
    foreign: [String; 2],
}

impl Leftovers {
    async fn leave(service: &Service) -> Self {
        let created = service.admin_json(&["keys", "create", "--new-app"]).await;
        let app = created["appId"].as_str().unwrap();
        let key = created["key"].as_str().unwrap();
        let key_of = |endpoint_id| EndpointKey {
            app_id: AppId::parse(app).unwrap(),
            endpoint_id,
        };
        let left = Self {
            app: app.to_owned(),
            stores: service::stores(&service.clients, &service.resources),
            live: key_of(service.create_endpoint(app, key).await),
            marked: key_of(service.create_endpoint(app, key).await),
            half: key_of(service.create_endpoint(app, key).await),
            young: key_of(service.create_endpoint(app, key).await),
            orphan: key_of(EndpointId::new()),
            foreign: [
                "webhook-endpoints-of-another-stack".to_owned(),
                format!("{SECRET_PREFIX}/database-password"),
            ],
        };
        let (table, secrets) = (&left.stores.table, &left.stores.secrets);
        let now = Clock::system().now();
        let two_hours_ago = now - Duration::from_secs(2 * 60 * 60);
        for (endpoint, at) in [
            (left.marked, two_hours_ago),
            (left.half, two_hours_ago),
            (left.young, now),
        ] {
            let marked = table.mark_endpoint_deleted(endpoint, at).await;
            assert_ne!(marked.unwrap(), Marked::Missing);
        }
        let secret = SigningSecret::generate(&mut rand::rng());
        secrets.create(left.orphan, &secret).await.unwrap();
        secrets.delete(left.half).await.unwrap();
        for name in &left.foreign {
            let create = service.clients.secrets.create_secret().name(name);
            create.secret_string("x").send().await.unwrap();
        }
        left
    }
}

fn secret_name(endpoint: EndpointKey) -> String {
    let EndpointKey {
        app_id,
        endpoint_id,
    } = endpoint;
    format!("{SECRET_PREFIX}/{app_id}/{endpoint_id}")
}

#[tokio::test]
async fn sweep_removes_orphaned_secrets_and_finishes_deletions() {
    let service = Service::start().await;
    let left = Leftovers::leave(&service).await;
    let before = service.secret_names().await;

    // According to the list, all secrets are two hours old.
    let young = ["secrets", "sweep", "--older-than", "2h 5m"];
    assert_eq!(service.admin_json(&young).await, json!([]));
    let found = service.admin_json(&["secrets", "sweep", "--dry-run"]).await;
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|found| found["outcome"] == "found"));
    assert_eq!(service.secret_names().await, before);

    let swept = service.admin_json(&["secrets", "sweep"]).await;
    let cause = |endpoint: EndpointKey| {
        let id = endpoint.endpoint_id.to_string();
        let mut swept = swept.as_array().unwrap().iter();
        let swept = swept.find(|swept| swept["endpointId"] == id).unwrap();
        assert_eq!(swept["outcome"], "removed");
        assert_eq!(swept["appId"], left.app);
        swept["cause"].clone()
    };
    assert_eq!(cause(left.orphan), "noEndpoint");
    assert_eq!(cause(left.marked), "deletionInterrupted");
    assert_eq!(cause(left.half), "deletionInterrupted");
    assert_eq!(swept.as_array().unwrap().len(), 3);
    let [of_another_stack, foreign] = left.foreign;
    assert_eq!(
        service.secret_names().await,
        [
            of_another_stack,
            secret_name(left.live),
            secret_name(left.young),
            foreign
        ]
    );
    for (endpoint, expected) in [
        (left.young, Presence::Marked),
        (left.marked, Presence::Missing),
        (left.half, Presence::Missing),
        (left.live, Presence::Live),
    ] {
        let presence = left
            .stores
            .table
            .endpoint_presence(endpoint, Clock::system().now())
            .await;
        assert_eq!(presence.unwrap(), expected);
    }
    // Nobody requested the removal of the orphan, so it can be restored.
    assert!(service.restores(&secret_name(left.orphan)).await);
    assert!(!service.restores(&secret_name(left.marked)).await);
}

#[tokio::test]
async fn sweep_reports_unreadable_items_and_removes_the_rest() {
    let service = Service::start().await;
    Leftovers::leave(&service).await;
    let mut put = service.clients.dynamodb.put_item();
    for (name, value) in [
        ("pk", "APP#acme"),
        ("sk", "E#broken"),
        ("gsi2pk", "DUE#DELETIONS"),
        ("gsi2sk", "2025-12-31T00:00:00.000Z#broken"),
        (attribute::CREATED_AT, "a customer's own value"),
    ] {
        put = put.item(name, AttributeValue::S(value.to_owned()));
    }
    let put = put.table_name(&service.resources.table_name).send();
    put.await.unwrap();

    let output = service.admin(&["secrets", "sweep", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    let skipped = "skipped an unreadable item: pk APP#acme, sk E#broken\n";
    assert_eq!(errors, skipped);
    let swept: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(swept.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn sweep_is_refused_if_most_secrets_look_orphaned() {
    let service = Service::start().await;
    let left = Leftovers::leave(&service).await;
    let other = service.clients.create_resources("other", None).await;
    let other = other.unwrap().table_name;
    let before = service.secret_names().await;
    let wrong_table = ["secrets", "sweep", "--table-name", &other];
    let refused = service.admin(&wrong_table).await;
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(
        stderr.contains("4 of 4 secrets have no endpoint"),
        "{stderr}"
    );
    assert!(stderr.contains("--force"), "{stderr}");
    assert_eq!(service.secret_names().await, before);
    let dry = service
        .admin(&[&wrong_table[..], &["--dry-run"]].concat())
        .await;
    assert!(dry.status.success());
    let warning = String::from_utf8(dry.stderr).unwrap();
    assert!(warning.starts_with("warning: 4 of 4"), "{warning}");
    let forced = service
        .admin(&[&wrong_table[..], &["--force"]].concat())
        .await;
    assert!(forced.status.success(), "{forced:?}");
    assert!(service.restores(&secret_name(left.live)).await);
}

#[tokio::test]
async fn sweep_with_a_wrong_prefix_removes_no_endpoint() {
    let service = Service::start().await;
    let left = Leftovers::leave(&service).await;
    let wrong_prefix = ["secrets", "sweep", "--secret-prefix", "webhooks"];
    let refused = service.admin(&wrong_prefix).await;
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("no secret with this prefix"), "{stderr}");
    let presence = left
        .stores
        .table
        .endpoint_presence(left.marked, Clock::system().now())
        .await;
    assert_eq!(presence.unwrap(), Presence::Marked);
}

#[tokio::test]
async fn secrets_are_migrated_and_sealed_to_another_key() {
    let service = Service::start().await;
    let created = service
        .admin_json(&["keys", "create", "--app", "acme"])
        .await;
    let key = created["key"].as_str().unwrap();
    for _ in 0..2 {
        service.create_endpoint("acme", key).await;
    }
    let beside = service.secret_names().await;
    assert_eq!(beside.len(), 2);
    let migrate = |to: &'static str| ["secrets", "migrate", "--to", to];
    let moved = json!({"endpoints": 2, "moved": 2, "failed": 0, "unreadable": 0});
    assert_eq!(service.admin_json(&migrate("Sealed")).await, moved);
    let sealed = service.secret_names().await;
    assert_eq!(sealed.len(), 1);
    assert!(sealed[0].starts_with("webhook-endpoints/sealing."));

    let rotated = service.admin_json(&["secrets", "rotate-sealing-key"]).await;
    assert_eq!(rotated["retired"], true, "{rotated}");
    assert_eq!(rotated["moved"], 2, "{rotated}");
    let new = format!(
        "webhook-endpoints/sealing.{}",
        rotated["key"].as_str().unwrap()
    );
    assert_eq!(service.secret_names().await, [new]);
    assert!(service.restores(&sealed[0]).await);

    let output = service.admin(&migrate("PerEndpoint")).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "2 endpoints, 2 moved, 0 failed, 0 unreadable\n");
    let again = String::from_utf8(service.admin(&migrate("PerEndpoint")).await.stdout);
    assert!(again.unwrap().contains(" 0 moved"));
    let mut names = service.secret_names().await;
    names.retain(|name| beside.contains(name));
    assert_eq!(names, beside);

    let refused = service.admin(&migrate("sealed")).await;
    assert_eq!(refused.status.code(), Some(2));
}
