//! Which function makes a call, and a record of all calls for `just iam`, which evaluates
//! the template's policies for each of them.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{LazyLock, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use local::emulators::Clients;
use serde_json::json;

use super::permissions::{Needed, needed};
use super::wire::Request;

/// Marks a request on its way to the wire, which removes it.
const HEADER: &str = "x-made-by";

/// Who makes calls with permissions of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    Api,
    Deliver,
}

impl Principal {
    /// The logical id of its role in the template.
    fn role(self) -> &'static str {
        match self {
            Self::Api => "ApiRole",
            Self::Deliver => "DeliverRole",
        }
    }

    /// Clients that share everything with `clients`, but whose calls are known to be this
    /// principal's. Those of tests themselves, and of the poller, are nobody's.
    pub fn clients(self, clients: &Clients) -> Clients {
        let mut own = clients.clone();
        let config = clients.dynamodb.config();
        let marked = config
            .to_builder()
            .http_client(self.mark(config.http_client()));
        own.dynamodb = aws_sdk_dynamodb::Client::from_conf(marked.build());
        let config = clients.secrets.config();
        let marked = config
            .to_builder()
            .http_client(self.mark(config.http_client()));
        own.secrets = aws_sdk_secretsmanager::Client::from_conf(marked.build());
        let config = clients.sqs.config();
        let marked = config
            .to_builder()
            .http_client(self.mark(config.http_client()));
        own.sqs = aws_sdk_sqs::Client::from_conf(marked.build());
        own
    }

    fn mark(self, inner: Option<SharedHttpClient>) -> SharedHttpClient {
        let inner = inner.expect("an HTTP client");
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Marking {
                inner: inner.http_connector(settings, components),
                principal: self,
            })
        })
    }
}

#[derive(Debug)]
struct Marking {
    inner: SharedHttpConnector,
    principal: Principal,
}

impl HttpConnector for Marking {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        request.headers_mut().insert(HEADER, self.principal.role());
        self.inner.call(request)
    }
}

/// Removes the mark of a request, and returns the role of whoever made it.
pub fn unmark(request: &mut HttpRequest) -> Option<String> {
    request.headers_mut().remove(HEADER)
}

struct Recording {
    file: File,
    /// Calls differ by ids that no policy distinguishes, so one of each kind is enough.
    seen: HashSet<String>,
}

/// A file of this process, in the directory that the variable `AWS_CALLS` names, if any.
static RECORDING: LazyLock<Option<Mutex<Recording>>> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "configures the tests, not the service"
    )]
    let directory = std::env::var("AWS_CALLS").ok()?;
    std::fs::create_dir_all(&directory).expect("create the directory of AWS_CALLS");
    let path = format!("{directory}/{}.jsonl", std::process::id());
    let file = OpenOptions::new().create(true).append(true).open(path);
    Some(Mutex::new(Recording {
        file: file.expect("create a file in AWS_CALLS"),
        seen: HashSet::new(),
    }))
});

/// Adds what a request needs to the record of calls, if there is one.
pub fn record(role: &str, request: &Request) {
    let Some(recording) = &*RECORDING else {
        return;
    };
    let operation = &request.operation;
    // The test's name, because tests run on a thread each.
    let test = std::thread::current().name().map(str::to_owned);
    for needed in needed(request) {
        let kind = kind_of(role, operation, &needed);
        let Needed {
            action,
            resource,
            context,
        } = needed;
        let line = json!({
            "role": role, "operation": operation, "action": action, "resource": resource,
            "context": context, "kind": kind, "test": test,
        });
        let mut recording = recording.lock().unwrap();
        if recording.seen.insert(kind) {
            writeln!(recording.file, "{line}").expect("write to AWS_CALLS");
        }
    }
}

/// A text that is the same for calls that differ by ids only.
fn kind_of(role: &str, operation: &str, needed: &Needed) -> String {
    let mut kind = format!(
        "{role} {operation} {} {}",
        needed.action,
        general(&needed.resource)
    );
    for (key, values) in &needed.context {
        let values: HashSet<_> = values.iter().map(|value| general(value)).collect();
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable();
        kind += &format!(" {key}={}", values.join(","));
    }
    kind
}

/// Replaces ids in a partition key, or in the name of a secret.
fn general(text: &str) -> String {
    if let Some(name) = text.strip_prefix("secret:") {
        let (prefix, rest) = name.split_once('/').unwrap_or((name, ""));
        let rest = match rest.strip_prefix("sealing.") {
            Some(id) if !id.contains('/') => "sealing.*".to_owned(),
            _ => vec!["*"; rest.split('/').count()].join("/"),
        };
        return format!("secret:{prefix}/{rest}");
    }
    let Some((kind, rest)) = text.split_once('#') else {
        return text.to_owned();
    };
    // Names of kinds are in capitals.
    let is_id = |part: &str| part.contains(|letter: char| !letter.is_ascii_uppercase());
    let parts = rest.split('#');
    let parts = parts.map(|part| if is_id(part) { "*" } else { part });
    format!("{kind}#{}", parts.collect::<Vec<_>>().join("#"))
}
