//! The shapes of items and messages: which attributes or fields they have, of which types,
//! and the values of those that have only a few.

use std::collections::BTreeSet;

use serde_json::Value;
use webhook_endpoints::aws::table::attribute::{
    ABANDONED, ATTEMPT_LOG, DISABLED_REASON, HEADERS, PREVIOUS_SECRET, SCOPE, STATUS, attempt,
};

use super::{Pending, World};

/// The kind of an item, by its keys, as the table of `keys.rs` has it.
pub fn kind_of(item: &Value) -> &'static str {
    let part = |name: &str| item[name]["S"].as_str().expect("read the key");
    let (pk, sk) = (part("pk"), part("sk"));
    let begins = |prefix: &str| sk.starts_with(prefix);
    match pk.split('#').next().expect("read the key") {
        "KEY" => "key",
        "PLATFORM" => "platform key",
        "SESSION" => "session",
        "SEALING" => "sealing key",
        "TYPES" if begins("T#") => "event type",
        "TYPES" => "type names",
        "APP" if pk.contains("#V#") && begins("R#") => "repeat",
        "APP" if pk.contains("#V#") && sk == "F" => "fanned out",
        "APP" if pk.contains("#V#") => "event",
        "APP" if pk.contains("#E#") => "delivery",
        "APP" if begins("E#") => "endpoint",
        "APP" if begins("PINGS#") => "pings",
        "APP" if sk == "APP" => "app",
        _ => panic!("an item of an unknown kind: {pk}, {sk}"),
    }
}

/// All shapes of a world.
pub fn shapes_of(world: &World) -> BTreeSet<String> {
    let items = world.items.iter().map(of_item);
    items.chain(world.messages.iter().map(of_message)).collect()
}

pub fn of_item(item: &Value) -> String {
    format!("item {}: {}", kind_of(item), of_attributes(item, true))
}

/// The attributes of an item, or of a map in one.
fn of_attributes(item: &Value, is_item: bool) -> String {
    let attributes = item.as_object().expect("read the item").iter();
    let attributes = attributes.map(|(name, value)| {
        let typed = value.as_object().and_then(|typed| typed.iter().next());
        let (r#type, value) = typed.expect("read the attribute");
        let text = value.as_str().unwrap_or_default();
        match name.as_str() {
            ATTEMPT_LOG if is_item => format!("{name}[{}]", of_log(value)),
            PREVIOUS_SECRET | HEADERS if is_item => {
                format!("{name}({})", of_attributes(value, false))
            }
            STATUS | ABANDONED | DISABLED_REASON | SCOPE if is_item && r#type == "S" => {
                format!("{name}={text}")
            }
            attempt::FAILURE | attempt::BODY_NOTE if !is_item && r#type == "S" => {
                format!("{name}={text}")
            }
            // What an endpoint's place is claimed for.
            "gsi2sk" => format!("{name}#{}", claim_of(text)),
            _ => format!("{name}:{type}"),
        }
    });
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_unstable();
    attributes.join(" ")
}

/// The different shapes of attempts.
fn of_log(log: &Value) -> String {
    let entries = log.as_array().expect("read the log").iter();
    let shapes: BTreeSet<_> = entries
        .map(|entry| of_attributes(&entry["M"], false))
        .collect();
    shapes.into_iter().collect::<Vec<_>>().join(" | ")
}

fn claim_of(place: &str) -> &str {
    match place.split('#').nth(2) {
        None => "",
        Some(claim) if claim.bytes().all(|byte| byte.is_ascii_uppercase()) => claim,
        Some(_) => "claimed",
    }
}

pub fn of_message(message: &Pending) -> String {
    let body: Value = serde_json::from_str(&message.body).expect("parse the message");
    let kind = body["kind"].as_str().expect("read the kind");
    format!("message {kind}: {}", fields_of(&body).join(" "))
}

/// The names of the fields, and of those within `source`.
pub fn fields_of(body: &Value) -> Vec<String> {
    let fields = body.as_object().expect("read the message").iter();
    let mut names: Vec<_> = fields
        .flat_map(|(name, value)| match (name.as_str(), value) {
            ("source", Value::Object(source)) => source
                .iter()
                .map(|(variant, _)| format!("source.{variant}"))
                .collect(),
            _ => vec![name.clone()],
        })
        .collect();
    names.sort_unstable();
    names
}

/// A shape's attributes one by one, each with the kind. Which of them come together depends
/// on the order in which things happen.
pub fn parts_of(shape: &str) -> Vec<String> {
    let (kind, attributes) = shape.split_once(": ").unwrap_or((shape, ""));
    let parts = attributes.split([' ', '[', ']', '(', ')', '|']);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(|part| format!("{kind}: {part}")).collect()
}
