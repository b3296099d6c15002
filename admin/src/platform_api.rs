//! A client of the deployment's API, for the commands that do not access AWS.

use std::collections::HashMap;
use std::time::Duration;

use clap::Args;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::{Map, Value};
use webhook_endpoints::domain::id::AppId;

use crate::BoxError;

/// Longer than API Gateway waits for any response.
const TIMEOUT: Duration = Duration::from_secs(35);

/// A JSON object.
pub(crate) type Fields = Map<String, Value>;

/// The lifetime of a session in seconds. If a run takes longer, it creates another one.
const SESSION_SECONDS: u64 = 15 * 60;

/// The API's address. The API key comes from an environment variable and never from an argument,
/// because other users of the machine can see the arguments of a process.
#[derive(Args)]
pub(crate) struct ApiAddress {
    /// Address of the API: the stack output ApiUrl. The variable API_KEY must contain a key of
    /// the platform.
    #[arg(long, env = "API_URL")]
    api_url: Url,
}

pub(crate) enum CallError {
    /// A retry would get the same response. With the API's reasons.
    Refused(StatusCode, Vec<String>),
    /// The call had no effect and can be retried. With `Retry-After`, if the response has it.
    Throttled(Option<Duration>),
    /// The call may or may not have taken effect. With a reason.
    Unclear(String),
}

const NOT_THE_API: &str = "the response does not come from the API";

/// Calls the API with a key of the platform. Such a key can't access endpoints, so calls about them
/// use a portal session of their app.
pub(crate) struct PlatformApi {
    http: Client,
    base: Url,
    key: String,
    /// The tokens of the sessions.
    sessions: HashMap<AppId, String>,
}

impl PlatformApi {
    pub(crate) fn new(address: ApiAddress) -> Result<Self, BoxError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "clap would accept it as an argument, too"
        )]
        let key = std::env::var("API_KEY").map_err(|_| "the variable API_KEY is not set")?;
        let base = address.api_url;
        if base.cannot_be_a_base() || base.query().is_some() {
            return Err(
                "the address of the API must be a URL such as https://api.example.com".into(),
            );
        }
        let http = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!(
                "webhook-endpoints-admin/",
                env!("CARGO_PKG_VERSION")
            ))
            .build()?;
        Ok(Self {
            http,
            base,
            key,
            sessions: HashMap::new(),
        })
    }

    /// An app's endpoints, with all fields. `None` if the app does not exist.
    pub(crate) async fn endpoints(
        &mut self,
        app_id: AppId,
    ) -> Result<Option<Vec<Fields>>, CallError> {
        let path = ["apps", app_id.as_str(), "webhooks"];
        let url = self.url(&path, &[("view", "full")]);
        match self.in_session(app_id, Method::GET, url, None).await? {
            Some(Value::Array(endpoints)) => {
                let endpoints = endpoints.into_iter().filter_map(into_object);
                Ok(Some(endpoints.collect()))
            }
            Some(_) => Err(not_the_api()),
            None => Ok(None),
        }
    }

    /// Creates an app, unless it exists.
    pub(crate) async fn create_app(&self, app_id: AppId) -> Result<(), CallError> {
        let url = self.url(&["apps", app_id.as_str()], &[]);
        let nothing = Fields::new();
        let created = self.call(&self.key, Method::PUT, url, Some(&nothing));
        created.await.map(drop)
    }

    /// Creates an endpoint and returns its id. `None` if the app does not exist.
    pub(crate) async fn create(
        &mut self,
        app_id: AppId,
        body: &Fields,
    ) -> Result<Option<String>, CallError> {
        let url = self.url(&["apps", app_id.as_str(), "webhooks"], &[]);
        let created = self.in_session(app_id, Method::POST, url, Some(body));
        let Some(created) = created.await? else {
            return Ok(None);
        };
        let id = created["id"].as_str().map(str::to_owned);
        id.map(Some).ok_or_else(not_the_api)
    }

    pub(crate) async fn update(
        &mut self,
        app_id: AppId,
        id: &str,
        body: &Fields,
    ) -> Result<(), CallError> {
        let url = self.url(&["apps", app_id.as_str(), "webhooks", id], &[]);
        let updated = self.in_session(app_id, Method::PUT, url, Some(body));
        updated.await.map(drop)
    }

    /// The ids on a page of apps, and the cursor of the next page.
    pub(crate) async fn apps(
        &self,
        cursor: Option<&str>,
    ) -> Result<(Vec<AppId>, Option<String>), CallError> {
        let mut query = vec![("limit", "100")];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let url = self.url(&["apps"], &query);
        let page = self.call(&self.key, Method::GET, url, None).await?;
        // Neither an app that is being deleted nor the reserved app can have a session.
        let has_sessions = |app: &&Value| app["status"] != "DELETING" && app["id"] != "operational";
        let ids = page["items"].as_array().into_iter().flatten();
        let ids = ids
            .filter(has_sessions)
            .map(|app| app["id"].as_str().and_then(|id| AppId::parse(id).ok()));
        let ids: Option<Vec<_>> = ids.collect();
        let next = page["nextCursor"].as_str().map(str::to_owned);
        Ok((ids.ok_or_else(not_the_api)?, next))
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Makes a call with an app's session, which it creates if necessary. `None` if the app does
    /// not exist.
    async fn in_session(
        &mut self,
        app_id: AppId,
        method: Method,
        url: Url,
        body: Option<&Fields>,
    ) -> Result<Option<Value>, CallError> {
        if let Some(token) = self.sessions.get(&app_id) {
            match self.call(token, method.clone(), url.clone(), body).await {
                // The session has expired. Create another one.
                Err(CallError::Refused(StatusCode::UNAUTHORIZED, _)) => {}
                other => return other.map(Some),
            }
        }
        let of_sessions = self.url(&["apps", app_id.as_str(), "portal-sessions"], &[]);
        let new = [("expiresInSeconds".to_owned(), SESSION_SECONDS.into())];
        let new = Fields::from_iter(new);
        let session = self.call(&self.key, Method::POST, of_sessions, Some(&new));
        let session = match session.await {
            Err(CallError::Refused(StatusCode::NOT_FOUND, _)) => return Ok(None),
            other => other?,
        };
        let token = session["token"].as_str().ok_or_else(not_the_api)?;
        self.sessions.insert(app_id, token.to_owned());
        self.call(token, method, url, body).await.map(Some)
    }

    async fn call(
        &self,
        key: &str,
        method: Method,
        url: Url,
        body: Option<&Fields>,
    ) -> Result<Value, CallError> {
        let mut request = self.http.request(method, url).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(unclear)?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::Throttled(retry_after(&response)));
        }
        if status.is_server_error() {
            return Err(CallError::Unclear(format!(
                "the API responded with {status}"
            )));
        }
        let json: Value = response.json().await.map_err(unclear)?;
        match status.is_success() {
            true => Ok(json.get("data").cloned().unwrap_or_default()),
            false => Err(CallError::Refused(status, reasons(&json["error"]))),
        }
    }
}

impl CallError {
    /// A message without anything that was sent, because that may contain secrets.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Refused(_, reasons) => reasons.join("; "),
            Self::Throttled(_) => "the API responded with 429 Too Many Requests".to_owned(),
            Self::Unclear(reason) => reason.clone(),
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// All errors in a response's `details`, or else its `message`.
fn reasons(error: &Value) -> Vec<String> {
    let details = error["details"].as_array().into_iter().flatten();
    let details: Vec<_> = details
        .filter_map(|each| {
            Some(format!(
                "{} {}",
                each["field"].as_str()?,
                each["message"].as_str()?
            ))
        })
        .collect();
    match (details.is_empty(), error["message"].as_str()) {
        (false, _) => details,
        (true, Some(message)) => vec![message.to_owned()],
        (true, None) => vec![NOT_THE_API.to_owned()],
    }
}

fn unclear(error: reqwest::Error) -> CallError {
    // reqwest's own message says only which step failed. The causes say why.
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(each) = cause {
        text = format!("{text}: {each}");
        cause = each.source();
    }
    CallError::Unclear(text)
}

fn not_the_api() -> CallError {
    CallError::Refused(StatusCode::OK, vec![NOT_THE_API.to_owned()])
}

fn into_object(value: Value) -> Option<Fields> {
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}
