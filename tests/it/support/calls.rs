//! Every API call, derived from openapi.json, for tests that cover all of them.

use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::domain::api_key::NewKey;
use webhook_endpoints::domain::catalogue::TypeDetails;
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId, EventId, KeyId};
use webhook_endpoints::domain::session::SessionScope;

use super::TestApp;
use super::openapi::DOCUMENT;
use super::queue::endpoint_id;

/// The API description, which needs no key.
const KEYLESS: &str = "/openapi.json";

/// The event type that catalogue calls use.
const EVENT_TYPE: &str = "invoice.paid";

/// The prefix of all paths of an app.
const OF_AN_APP: &str = "/apps/{appId}";

/// The ids that fill the path templates.
#[derive(Debug, Clone)]
pub struct Ids {
    pub endpoint: String,
    pub delivery: String,
    pub event: String,
    pub key: String,
    pub session: String,
}

impl Ids {
    /// Well-formed ids that do not exist.
    pub fn unknown() -> Self {
        Self {
            endpoint: EndpointId::new().to_string(),
            delivery: DeliveryId::new().to_string(),
            event: EventId::new().to_string(),
            key: KeyId::new().to_string(),
            session: KeyId::new().to_string(),
        }
    }

    /// Seeds what the calls need to succeed: a delivered event in this endpoint's history,
    /// the app's record, a second key, a session, and an event type.
    pub async fn with_delivery(app: &TestApp, endpoint: &str) -> Self {
        let now = app.deliverer.clock.now();
        Self::add_event_type(app).await;
        let seeded = app
            .aws
            .seed_event(endpoint_id(endpoint), "invoice.paid", now, 200);
        let seeded = seeded.await;
        Self {
            endpoint: endpoint.to_owned(),
            delivery: seeded.delivery_id.to_string(),
            event: seeded.source.event_id().to_string(),
            key: Self::key(app).await,
            session: Self::session(app).await,
        }
    }

    /// Creates the app, and returns the id of a second key.
    pub async fn key(app: &TestApp) -> String {
        app.create_app().await;
        let new = NewKey::of_app(app.app_id, "spare");
        app.store_key(new).await.id.to_string()
    }

    /// Issues a session for the app, and returns its id.
    pub async fn session(app: &TestApp) -> String {
        let (_, record) = app.session(SessionScope::Read, None).await;
        record.id.to_string()
    }

    /// Adds the event type that catalogue calls use.
    pub async fn add_event_type(app: &TestApp) {
        let (table, now) = (app.aws.table(), app.deliverer.clock.now());
        let name = EventType::parse(EVENT_TYPE).expect("parse the event type");
        let details = TypeDetails::default();
        let put = table.put_event_type(&name, &details, now).await;
        put.expect("add the event type");
    }

    /// Replaces the placeholders of a path template.
    pub fn fill(&self, template: &str) -> String {
        let segments = template.split('/').map(|segment| match segment {
            "{webhookId}" => &self.endpoint,
            "{deliveryId}" => &self.delivery,
            "{eventId}" => &self.event,
            "{keyId}" => &self.key,
            "{sessionId}" => &self.session,
            "{name}" => EVENT_TYPE,
            unknown if unknown.starts_with('{') => panic!("no id for {unknown}"),
            literal => literal,
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// An API call that succeeds if its ids exist and the caller is authorized.
pub struct Call {
    /// The `operationId`.
    pub name: &'static str,
    pub method: Method,
    /// Relative to the app for calls within an app, otherwise the full path.
    pub path: String,
    /// Whether it is a call within an app.
    pub in_app: bool,
    pub body: Option<Value>,
    /// The scope that it requires.
    pub needs: &'static str,
    /// Whether the path contains an endpoint id.
    pub on_endpoint: bool,
    /// Whether the path contains a delivery id.
    pub on_delivery: bool,
    /// Whether the path contains an event id.
    pub on_event: bool,
}

impl Call {
    pub fn publish() -> Self {
        call_named("publishEvent", &Ids::unknown())
    }

    pub fn get_event(id: &str) -> Self {
        let ids = Ids {
            event: id.to_owned(),
            ..Ids::unknown()
        };
        call_named("getEvent", &ids)
    }
}

/// The order of the calls. A call that makes others fail comes after them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    First,
    Deactivation,
    Deletion,
    AppDeletion,
}

/// Returns every call in openapi.json except the one for the document itself, in an order
/// in which all succeed: calls that need an active endpoint come before its deactivation,
/// then the deletions, the app's last.
pub fn every_call(ids: &Ids) -> Vec<Call> {
    let paths = DOCUMENT["paths"]
        .as_object()
        .expect("read the paths")
        .iter();
    let mut calls: Vec<_> = paths
        .filter(|(template, _)| *template != KEYLESS)
        .flat_map(|(template, item)| calls_of(template, item, ids))
        .collect();
    calls.sort_by(|(turn, _), (other, _)| turn.cmp(other));
    calls.into_iter().map(|(_, call)| call).collect()
}

fn calls_of(template: &str, item: &'static Value, ids: &Ids) -> Vec<(Turn, Call)> {
    let below = template.strip_prefix(OF_AN_APP);
    let in_app = below.is_some();
    let below = below.unwrap_or(template);
    let operations = item.as_object().expect("read the path item").iter();
    operations
        .filter(|(method, _)| *method != "parameters")
        .map(|(method, operation)| {
            let name = operation["operationId"].as_str();
            let name = name.unwrap_or_else(|| panic!("{method} {template} has no operationId"));
            let (turn, body) = turn_and_body(name);
            let method = method.to_uppercase();
            let call = Call {
                name,
                method: Method::from_bytes(method.as_bytes()).expect("parse the method"),
                path: ids.fill(below),
                in_app,
                body,
                needs: needs(operation),
                on_endpoint: below.contains("{webhookId}"),
                on_delivery: below.contains("{deliveryId}"),
                on_event: below.contains("{eventId}"),
            };
            (turn, call)
        })
        .collect()
}

/// Returns the scope that an operation requires. Asserts that all its security requirements
/// agree on it.
pub fn needs(operation: &'static Value) -> &'static str {
    let requirements = operation["security"].as_array();
    let requirements =
        requirements.unwrap_or_else(|| panic!("{operation} has no security requirement"));
    let mut scopes = requirements.iter().flat_map(|requirement| {
        let schemes = requirement.as_object().expect("read the requirement");
        schemes.values().map(move |scopes| match scopes.as_array() {
            Some(scopes) if scopes.len() == 1 => scopes[0].as_str().expect("read the scope"),
            _ => panic!("{requirement} does not have exactly one scope"),
        })
    });
    let first = scopes.next().expect("read a scope");
    assert!(scopes.all(|scope| scope == first), "{operation}");
    first
}

/// Supplies what openapi.json lacks. Its examples cannot be sent as they are: their times
/// become outdated, and nothing marks the one that deactivates an endpoint.
fn turn_and_body(name: &str) -> (Turn, Option<Value>) {
    let all = json!(["*"]);
    match name {
        "createWebhook" => {
            let body = json!({"url": "https://example.com/new", "events": all});
            (Turn::First, Some(body))
        }
        "publishEvent" => {
            let body = json!({"type": "invoice.paid", "data": {"n": 1}});
            (Turn::First, Some(body))
        }
        "publishEvents" => {
            let event = json!({"type": "invoice.paid", "data": {"n": 1}});
            (Turn::First, Some(json!({"events": [event, event]})))
        }
        "recoverDeliveries" => {
            let body = json!({"since": "2026-01-01T00:00:00Z", "status": "FAILED"});
            (Turn::First, Some(body))
        }
        "testFilter" => (Turn::First, Some(json!({"data": {"n": 1}}))),
        "replayEvents" => {
            let body = json!({"since": "2026-01-01T00:00:00Z"});
            (Turn::First, Some(body))
        }
        "putEventType" => (Turn::First, Some(json!({"description": "Paid."}))),
        "listEventTypes" | "getEventType" => (Turn::First, None),
        "deleteEventType" => (Turn::Deletion, None),
        "putApp" => (Turn::First, Some(json!({"name": "Acme"}))),
        "createKey" => (Turn::First, Some(json!({"scope": "read"}))),
        "createPortalSession" => (Turn::First, Some(json!({"scope": "read"}))),
        "listApps" | "getApp" | "listKeys" | "revokeKey" => (Turn::First, None),
        "revokePortalSession" | "getKey" => (Turn::First, None),
        "listWebhooks" | "getWebhook" | "rotateSecret" | "testPing" | "listDeliveries"
        | "getDelivery" | "resendDelivery" | "getEvent" => (Turn::First, None),
        "updateWebhook" => {
            let body = json!({"url": "https://example.com/moved", "active": false});
            (Turn::Deactivation, Some(body))
        }
        "deletePreviousSecret" => (Turn::First, None),
        // Deliveries of a deleted event cannot be resent, so this comes after
        // `resendDelivery`.
        "deleteEvent" => (Turn::Deactivation, None),
        "deleteWebhook" => (Turn::Deletion, None),
        "deleteApp" => (Turn::AppDeletion, None),
        unknown => panic!("turn_and_body does not know {unknown}"),
    }
}

/// Returns the calls within an app.
pub fn every_call_in_an_app(ids: &Ids) -> Vec<Call> {
    let mut calls = every_call(ids);
    calls.retain(|call| call.in_app);
    calls
}

/// Returns the calls on an endpoint.
pub fn every_call_on(ids: &Ids) -> Vec<Call> {
    let mut calls = every_call(ids);
    calls.retain(|call| call.on_endpoint);
    calls
}

/// Returns the calls on an endpoint or an event.
pub fn every_call_below(ids: &Ids) -> Vec<Call> {
    let mut calls = every_call(ids);
    calls.retain(|call| call.on_endpoint || call.on_event);
    calls
}

/// Returns the call with this `operationId`.
pub fn call_named(name: &str, ids: &Ids) -> Call {
    let found = every_call(ids).into_iter().find(|call| call.name == name);
    found.unwrap_or_else(|| panic!("openapi.json has no operation {name}"))
}
