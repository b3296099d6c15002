//! Records AWS calls and replays them. An operation runs against the emulators once,
//! to record and count its calls. Each measured run then gets the recorded responses
//! immediately, so that the emulators' work is not measured.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};

/// An AWS call and its response.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The operation, e.g. `GetItem`.
    pub operation: String,
    /// The body of the request.
    pub request: Value,
    /// Read or write capacity units that DynamoDB consumed. Can be fractional.
    pub units: f64,
    status: u16,
    answer: Vec<u8>,
}

impl Call {
    /// Whether the units are write units.
    pub(crate) fn writes(&self) -> bool {
        !matches!(
            self.operation.as_str(),
            "GetItem" | "BatchGetItem" | "Query"
        )
    }
}

/// Sits between the SDK and the emulators. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    recorded: Vec<Call>,
    played: Option<Vec<Call>>,
    /// Where to start the search for the next response. Several calls of the same
    /// operation get their responses in turn.
    next: usize,
}

impl Tape {
    /// Wraps an HTTP client, to record its responses or to replay recorded ones.
    pub(crate) fn wrap(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let tape = self.clone();
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(TapedConnector {
                inner: inner.http_connector(settings, components),
                tape: tape.clone(),
            })
        })
    }

    /// Removes and returns the recorded calls.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().recorded)
    }

    /// Returns the recorded calls and keeps them.
    pub(crate) fn recorded(&self) -> Vec<Call> {
        self.state().recorded.clone()
    }

    /// Starts replaying `calls`. Requests no longer reach the emulators.
    pub(crate) fn play(&self, calls: Vec<Call>) {
        let mut state = self.state();
        state.played = Some(calls);
        state.next = 0;
    }

    /// Stops replaying. Requests reach the emulators and are recorded again.
    pub(crate) fn record(&self) {
        self.state().played = None;
    }

    fn played(&self, operation: &str) -> Option<Result<HttpResponse, ConnectorError>> {
        let mut state = self.state();
        let State { played, next, .. } = &mut *state;
        let calls = played.as_ref()?;
        let found = (0..calls.len())
            .map(|step| (*next + step) % calls.len())
            .find(|at| {
                calls
                    .get(*at)
                    .is_some_and(|call| call.operation == operation)
            });
        let Some(call) = found.and_then(|at| calls.get(at)) else {
            return Some(Err(ConnectorError::user(
                format!("{operation} is not on the tape").into(),
            )));
        };
        *next = found.map_or(0, |at| at + 1);
        Some(answer(call.status, call.answer.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

#[derive(Debug)]
struct TapedConnector {
    inner: SharedHttpConnector,
    tape: Tape,
}

impl HttpConnector for TapedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        if let Some(answer) = self.tape.played(&operation) {
            return HttpConnectorFuture::ready(answer);
        }
        let counted = target.starts_with("DynamoDB");
        let body = request.body().bytes().unwrap_or_default();
        let mut asked: Value = serde_json::from_slice(body).unwrap_or_default();
        if counted {
            // This invalidates the signature, which the emulator does not check.
            asked["ReturnConsumedCapacity"] = json!("TOTAL");
            let body = asked.to_string();
            request
                .headers_mut()
                .insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
        }
        let answered = self.inner.call(request);
        let tape = self.tape.clone();
        HttpConnectorFuture::new(async move {
            let response = answered.await?;
            let status = response.status().as_u16();
            let body = ByteStream::new(response.into_body()).collect().await;
            let mut body = body
                .map_err(|error| ConnectorError::io(error.into()))?
                .into_bytes()
                .to_vec();
            let mut units = 0.0;
            if counted && let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
                units = units_of(&value["ConsumedCapacity"]);
                // The function did not ask for it, so AWS would not return it.
                if let Some(fields) = value.as_object_mut() {
                    fields.remove("ConsumedCapacity");
                }
                body = value.to_string().into_bytes();
            }
            tape.state().recorded.push(Call {
                operation,
                request: asked,
                units,
                status,
                answer: body.clone(),
            });
            answer(status, body)
        })
    }
}

fn units_of(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(tables) => tables.iter().map(units_of).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}

fn answer(status: u16, body: Vec<u8>) -> Result<HttpResponse, ConnectorError> {
    let status = status
        .try_into()
        .map_err(|_| ConnectorError::user("invalid status".into()))?;
    Ok(HttpResponse::new(status, SdkBody::from(body)))
}
