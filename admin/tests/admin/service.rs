use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

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
use webhook_endpoints::domain::id::EndpointId;

/// A running API, and emulators that the admin command reaches over HTTP.
pub(crate) struct Service {
    api: String,
    aws: String,
    pub(crate) clients: Clients,
    pub(crate) resources: Resources,
    http: reqwest::Client,
}

impl Service {
    pub(crate) async fn start() -> Self {
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

    /// Runs the admin command with nothing but these variables in its environment.
    pub(crate) async fn admin(&self, arguments: &[&str]) -> Output {
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

    pub(crate) async fn admin_json(&self, arguments: &[&str]) -> Value {
        let output = self.admin(&[arguments, &["--json"]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Lists an app's endpoints through the API. Returns the status of the response.
    pub(crate) async fn list(&self, app_id: &str, key: &str) -> StatusCode {
        let url = format!("{}/apps/{app_id}/webhooks", self.api);
        let request = self.http.get(url).header("x-api-key", key);
        request.send().await.unwrap().status()
    }

    pub(crate) async fn create_endpoint(&self, app_id: &str, key: &str) -> EndpointId {
        let url = format!("{}/apps/{app_id}/webhooks", self.api);
        let request = self.http.post(url).header("x-api-key", key).json(&json!({
            "url": "https://example.com/hook",
            "events": ["*"],
        }));
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        EndpointId::parse(created["data"]["id"].as_str().unwrap()).unwrap()
    }

    /// The names of all secrets, sorted, except those that are scheduled for deletion.
    pub(crate) async fn secret_names(&self) -> Vec<String> {
        let listed = self.clients.secrets.list_secrets().send().await.unwrap();
        let secrets = listed.secret_list.unwrap_or_default();
        let mut names: Vec<_> = secrets.into_iter().filter_map(|s| s.name).collect();
        names.sort_unstable();
        names
    }

    /// Restores a secret that is scheduled for deletion. `false` if there is none.
    pub(crate) async fn restores(&self, name: &str) -> bool {
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

/// Adds to the emulator's `ListSecrets` what it lacks: the name filter, and pages, of one secret
/// each so that there are many. Also backdates all secrets by two hours, for the sweep to find
/// them.
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
