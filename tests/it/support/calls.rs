//! Every API call, for tests that apply to all of them.

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

/// The API's description. It belongs to no app and needs no key.
const KEYLESS: &str = "/openapi.json";

/// The event type that calls on the catalogue name.
const EVENT_TYPE: &str = "invoice.paid";

/// The prefix of the paths of an app.
const OF_AN_APP: &str = "/apps/{appId}";

/// The ids that paths contain.
#[derive(Debug, Clone)]
pub struct Ids {
    pub endpoint: String,
    pub delivery: String,
    pub event: String,
    pub key: String,
    pub session: String,
}

impl Ids {
    /// Ids that do not exist.
    pub fn unknown() -> Self {
        Self {
            endpoint: EndpointId::new().to_string(),
            delivery: DeliveryId::new().to_string(),
            event: EventId::new().to_string(),
            key: KeyId::new().to_string(),
            session: KeyId::new().to_string(),
        }
    }

    /// Writes a delivery that succeeded into this endpoint's history, makes the app and
    /// gives it another key, and fills the catalogue, so that every call succeeds.
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

    /// Makes the app, and returns the id of a new key of it.
    pub async fn key(app: &TestApp) -> String {
        app.make().await;
        let new = NewKey::of_app(app.app_id, "spare");
        app.store_key(new).await.id.to_string()
    }

    /// The id of a new session of the app.
    pub async fn session(app: &TestApp) -> String {
        let (_, record) = app.session(SessionScope::Read, None).await;
        record.id.to_string()
    }

    /// Adds the event type that calls on the catalogue name.
    pub async fn add_event_type(app: &TestApp) {
        let (table, now) = (app.aws.table(), app.deliverer.clock.now());
        let name = EventType::parse(EVENT_TYPE).expect("parse the event type");
        let details = TypeDetails::default();
        let put = table.put_event_type(&name, &details, now).await;
        put.expect("add the event type");
    }

    /// Fills in a path template.
    pub fn fill(&self, template: &str) -> String {
        let segments = template.split('/').map(|segment| match segment {
            "{webhookId}" => &self.endpoint,
            "{deliveryId}" => &self.delivery,
            "{eventId}" => &self.event,
            "{keyId}" => &self.key,
            "{sessionId}" => &self.session,
            "{name}" => EVENT_TYPE,
            unknown if unknown.starts_with('{') => panic!("there is no id for {unknown}"),
            literal => literal,
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// A call that succeeds if its ids exist and its caller has access.
pub struct Call {
    /// Its `operationId`.
    pub name: &'static str,
    pub method: Method,
    /// Relative to the app, if it is a call on one.
    pub path: String,
    /// Whether it is a call on an app.
    pub in_app: bool,
    pub body: Option<Value>,
    /// The scope that it needs.
    pub needs: &'static str,
    /// Whether the path has the id of an endpoint.
    pub on_endpoint: bool,
    /// Whether the path has the id of a delivery.
    pub on_delivery: bool,
    /// Whether the path has the id of an event.
    pub on_event: bool,
}

impl Call {
    /// Publishes an event.
    pub fn publish() -> Self {
        call_named("publishEvent", &Ids::unknown())
    }

    /// Gets this event.
    pub fn get_event(id: &str) -> Self {
        let ids = Ids {
            event: id.to_owned(),
            ..Ids::unknown()
        };
        call_named("getEvent", &ids)
    }
}

/// Calls that make others fail are made after them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    First,
    Deactivation,
    Deletion,
    AppDeletion,
}

/// Every call that openapi.json describes, except for the document's own.
/// Calls that need an active endpoint come before the one that deactivates it,
/// and its deletion comes last.
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

/// The scope that an operation needs: the same in each of its security requirements.
pub fn needs(operation: &'static Value) -> &'static str {
    let requirements = operation["security"].as_array();
    let requirements = requirements.unwrap_or_else(|| panic!("{operation} names no scope"));
    let mut scopes = requirements.iter().flat_map(|requirement| {
        let schemes = requirement.as_object().expect("read the requirement");
        schemes.values().map(move |scopes| match scopes.as_array() {
            Some(scopes) if scopes.len() == 1 => scopes[0].as_str().expect("read the scope"),
            _ => panic!("{requirement} does not name one scope"),
        })
    });
    let first = scopes.next().expect("read a scope");
    assert!(scopes.all(|scope| scope == first), "{operation}");
    first
}

/// What openapi.json does not say. Its examples can't be sent: their times
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
        // It cannot be resent after that.
        "deleteEvent" => (Turn::Deactivation, None),
        "deleteWebhook" => (Turn::Deletion, None),
        "deleteApp" => (Turn::AppDeletion, None),
        unknown => panic!("turn_and_body does not know {unknown}"),
    }
}

/// The calls on an app, without those on the list of apps.
pub fn every_call_in_an_app(ids: &Ids) -> Vec<Call> {
    let mut calls = every_call(ids);
    calls.retain(|call| call.in_app);
    calls
}

/// The calls on an endpoint, without those on a whole app.
pub fn every_call_on(ids: &Ids) -> Vec<Call> {
    let mut calls = every_call(ids);
    calls.retain(|call| call.on_endpoint);
    calls
}

/// The calls on an endpoint or an event, without those on a whole app.
pub fn every_call_below(ids: &Ids) -> Vec<Call> {
    let mut calls = every_call(ids);
    calls.retain(|call| call.on_endpoint || call.on_event);
    calls
}

/// The call with this `operationId`.
pub fn call_named(name: &str, ids: &Ids) -> Call {
    let found = every_call(ids).into_iter().find(|call| call.name == name);
    found.unwrap_or_else(|| panic!("openapi.json has no operation {name}"))
}
