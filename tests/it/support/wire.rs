//! The wire to AWS: every call is counted, and a test can make any of them
//! fail.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use webhook_endpoints::domain::message::Message;

use super::recording;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches AWS.
    Before,
    /// It takes effect, but its answer is lost.
    After,
    /// It takes effect, but its answer comes after the SDK's timeout for a try.
    Late,
    /// It takes effect, and its answer takes a while, as on a network.
    Slow,
    /// AWS rejects it with this body.
    Refused(&'static str),
    /// It never reaches AWS, and is answered with this body.
    Answered(&'static str),
}

/// Longer than the SDK's timeout for a try.
const LATE: Duration = Duration::from_secs(4);

const SLOW: Duration = Duration::from_millis(20);

type Plan = Box<dyn FnMut(&str, &[u8]) -> Option<Fault> + Send>;

/// Records the calls of the SDK clients that use it. Clones share the record.
#[derive(Clone, Default)]
pub struct Wire(Arc<State>);

/// A recorded request.
pub struct Request {
    pub operation: String,
    body: Vec<u8>,
}

impl Request {
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.body).expect("parse the request body")
    }

    /// The messages of a `SendMessageBatch`, with their delays in seconds. None for other calls.
    pub fn sent(&self) -> Vec<(u64, Message)> {
        if self.operation != "SendMessageBatch" {
            return Vec::new();
        }
        let body = self.body();
        let entries = body["Entries"].as_array().expect("read the entries");
        let sent = entries.iter().map(|entry| {
            let text = entry["MessageBody"].as_str().expect("read the message");
            let message = Message::from_json(text).expect("parse the message");
            (entry["DelaySeconds"].as_u64().unwrap_or_default(), message)
        });
        sent.collect()
    }
}

/// Whether the body of a call of DynamoDB names this attribute.
pub fn names(body: &Value, attribute: &str) -> bool {
    !body["ExpressionAttributeNames"][format!("#{attribute}")].is_null()
}

/// Whether it is a call of the poller, which in a deployment is part of AWS.
pub fn is_of_a_poller(operation: &str) -> bool {
    [
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
    ]
    .contains(&operation)
}

#[derive(Default)]
struct State {
    calls: Mutex<Vec<Request>>,
    plan: Mutex<Option<Plan>>,
    is_metered: AtomicBool,
    units: Mutex<Units>,
}

/// Capacity units that DynamoDB consumed.
#[derive(Debug, Default, Clone, Copy)]
pub struct Units {
    pub read: f64,
    pub write: f64,
}

impl Wire {
    /// An HTTP client that sends through `inner`.
    pub fn wrap(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let wire = self.clone();
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(WiredConnector {
                inner: inner.http_connector(settings, components),
                wire: wire.clone(),
            })
        })
    }

    /// The operations called since the last time, except for the poller's,
    /// sorted because concurrent calls have no order.
    pub fn take(&self) -> Vec<String> {
        let requests = self.take_requests();
        let mut calls: Vec<_> = requests.into_iter().map(|call| call.operation).collect();
        calls.sort_unstable();
        calls
    }

    /// The requests since the last time, except for the poller's.
    pub fn take_requests(&self) -> Vec<Request> {
        let mut calls = std::mem::take(&mut *self.0.calls.lock().unwrap());
        calls.retain(|call| !is_of_a_poller(&call.operation));
        calls
    }

    /// From now on asks DynamoDB for the units of each call.
    pub fn meter(&self) {
        self.0.is_metered.store(true, Ordering::SeqCst);
    }

    /// The units since the last time.
    pub fn take_units(&self) -> Units {
        std::mem::take(&mut *self.0.units.lock().unwrap())
    }

    fn add_units(&self, operation: &str, answer: &Value) {
        let sum = units_of(&answer["ConsumedCapacity"]);
        let mut units = self.0.units.lock().unwrap();
        match operation {
            "GetItem" | "BatchGetItem" | "Query" => units.read += sum,
            _ => units.write += sum,
        }
    }

    /// From now on asks `plan` about every call, by its operation.
    pub fn disturb(&self, mut plan: impl FnMut(&str) -> Option<Fault> + Send + 'static) {
        self.disturb_requests(move |operation, _| plan(operation));
    }

    /// From now on asks `plan` about every call, by its operation and body.
    pub fn disturb_requests(
        &self,
        plan: impl FnMut(&str, &[u8]) -> Option<Fault> + Send + 'static,
    ) {
        *self.0.plan.lock().unwrap() = Some(Box::new(plan));
    }

    /// From now on every call of these operations fails.
    pub fn break_calls(&self, operations: &'static [&'static str], fault: Fault) {
        self.disturb(move |call| operations.contains(&call).then_some(fault));
    }

    /// From its `first` call on, counted from 1, this operation fails.
    pub fn break_from(&self, operation: &'static str, first: u32, fault: Fault) {
        let mut calls = 0;
        self.disturb(move |call| {
            calls += u32::from(call == operation);
            (call == operation && calls >= first).then_some(fault)
        });
    }

    /// Makes the next call of this operation fail.
    pub fn break_once(&self, operation: &'static str, fault: Fault) {
        let mut left = Some(fault);
        self.disturb(move |call| if call == operation { left.take() } else { None });
    }

    /// Ends all faults.
    pub fn mend(&self) {
        *self.0.plan.lock().unwrap() = None;
    }

    fn call(&self, role: Option<&str>, operation: &str, body: &[u8]) -> Option<Fault> {
        let request = Request {
            operation: operation.to_owned(),
            body: body.to_owned(),
        };
        if let Some(role) = role {
            recording::record(role, &request);
        }
        self.0.calls.lock().unwrap().push(request);
        let mut plan = self.0.plan.lock().unwrap();
        plan.as_mut().and_then(|plan| plan(operation, body))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

#[derive(Debug)]
struct WiredConnector {
    inner: SharedHttpConnector,
    wire: Wire,
}

impl HttpConnector for WiredConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let role = recording::unmark(&mut request);
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let fault = self.wire.call(role.as_deref(), operation, body);
        let lost = || ConnectorError::io("disturbed by a test".into());
        let is_metered = self.wire.0.is_metered.load(Ordering::SeqCst);
        match fault {
            None if is_metered && target.starts_with("DynamoDB") => {
                let operation = operation.to_owned();
                metered(&self.inner, &self.wire, operation, request)
            }
            None => self.inner.call(request),
            Some(Fault::Before) => HttpConnectorFuture::ready(Err(lost())),
            Some(Fault::Refused(body)) => answered(400, body),
            Some(Fault::Answered(body)) => answered(200, body),
            Some(fault @ (Fault::Late | Fault::Slow)) => {
                let answer = self.inner.call(request);
                let delay = if fault == Fault::Late { LATE } else { SLOW };
                HttpConnectorFuture::new(async move {
                    let answer = answer.await;
                    tokio::time::sleep(delay).await;
                    answer
                })
            }
            Some(Fault::After) => {
                let answer = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    answer.await?;
                    Err(lost())
                })
            }
        }
    }
}

fn answered(status: u16, body: &'static str) -> HttpConnectorFuture {
    let status = status.try_into().expect("convert the status");
    HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
}

/// A call that is asked for the units that it consumes. That makes its signature invalid,
/// which the emulator does not check.
fn metered(
    inner: &SharedHttpConnector,
    wire: &Wire,
    operation: String,
    mut request: HttpRequest,
) -> HttpConnectorFuture {
    let body = request.body().bytes().unwrap_or_default();
    let mut asked: Value = serde_json::from_slice(body).expect("parse the request body");
    asked["ReturnConsumedCapacity"] = json!("TOTAL");
    let body = asked.to_string();
    let headers = request.headers_mut();
    headers.insert("content-length", body.len().to_string());
    *request.body_mut() = body.into();
    let (wire, answer) = (wire.clone(), inner.call(request));
    HttpConnectorFuture::new(async move {
        let answer = answer.await?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.expect("read the answer").to_bytes();
        let parsed: Value = serde_json::from_slice(&body).expect("parse the answer");
        wire.add_units(&operation, &parsed);
        Ok(HttpResponse::new(status, body.into()))
    })
}

fn units_of(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(tables) => tables.iter().map(units_of).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
