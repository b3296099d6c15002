//! The fixtures of the newest version cover all that the present code writes, so that the
//! next one is tested with all of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use webhook_endpoints::domain::audience::Audience;
use webhook_endpoints::domain::channel::Channels;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::event::PublishedEvent;
use webhook_endpoints::domain::event_type::{EventType, Subscriptions};
use webhook_endpoints::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::{
    AppDeletion, DeliveryTask, Erasure, Message, Recovery, Replay, Source, Tend,
};
use webhook_endpoints::domain::replay::Types;

use crate::support::scenes;
use crate::support::world::shape::{fields_of, kind_of, parts_of, shapes_of};
use crate::support::world::{World, files};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What to do about something that no fixture has.
const ADVICE: &str = "\
the present code writes something that the fixtures of the newest version lack. If that \
version is released, leave its fixtures alone: raise the version in Cargo.toml and write new \
ones with `FIXTURES=write cargo test --test it -- upgrades_coverage`. If it is not released \
yet, remove its folder in tests/it/fixtures before that. docs/development/fixtures.md says \
what an older version makes of it. What is missing:";

fn writes() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "configures the tests, not the service"
    )]
    let chosen = std::env::var("FIXTURES");
    chosen.is_ok_and(|chosen| chosen == "write")
}

fn newest() -> Vec<World> {
    let newest = files::versions().pop();
    newest.map(|it| files::worlds_of(&it)).unwrap_or_default()
}

fn parts_of_all(worlds: &[World]) -> BTreeSet<String> {
    let shapes = worlds.iter().flat_map(shapes_of);
    shapes.flat_map(|shape| parts_of(&shape)).collect()
}

#[tokio::test]
async fn the_newest_fixtures_have_all_that_the_present_code_writes() {
    let mut worlds = scenes::worlds().await;
    if writes() {
        for world in &mut worlds {
            world.outcome = world.find_outcome().await;
        }
        files::write(VERSION, &worlds);
        return;
    }
    let known = parts_of_all(&newest());
    let present = parts_of_all(&worlds);
    let missing: Vec<_> = present.difference(&known).collect();
    assert!(missing.is_empty(), "{ADVICE}\n{missing:#?}");
}

/// The names in a part of attribute.rs.
fn names_in(source: &str) -> BTreeSet<&str> {
    let names = source.split(r#": &str = ""#).skip(1);
    names.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_kind_of_item_and_every_attribute_is_in_the_newest_fixtures() {
    if writes() {
        return;
    }
    let layout = include_str!("../../src/aws/table/keys.rs");
    let rows = layout.lines().filter(|line| line.starts_with("//! | "));
    // One of them is the table's head.
    let kinds_of_items = rows.count() - 1;
    let (mut kinds, mut own, mut within) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for world in newest() {
        for item in &world.items {
            kinds.insert(kind_of(item));
            for (name, value) in item.as_object().unwrap() {
                own.insert(name.clone());
                let maps = value["L"].as_array().cloned().unwrap_or_default();
                for map in maps.iter().chain([value]) {
                    let names = map["M"].as_object().into_iter().flatten();
                    within.extend(names.map(|(name, _)| name.clone()));
                }
            }
        }
    }
    assert_eq!(
        kinds.len(),
        kinds_of_items,
        "{ADVICE}\nkinds besides {kinds:?}"
    );
    let names = include_str!("../../src/aws/table/keys/attribute.rs");
    let (names, _) = names.split_once("#[cfg").unwrap();
    let mut modules = names.split("pub mod ");
    let of_items = names_in(modules.next().unwrap());
    let missing: Vec<_> = of_items
        .iter()
        .filter(|name| !own.contains(**name))
        .collect();
    assert!(missing.is_empty(), "{ADVICE}\nattributes: {missing:?}");
    let of_maps: BTreeSet<_> = modules.flat_map(names_in).collect();
    let missing: Vec<_> = of_maps
        .iter()
        .filter(|name| !within.contains(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "{ADVICE}\nattributes within others: {missing:?}"
    );
}

/// A message of every kind with every field. Whoever adds a field has to add it here.
fn fullest() -> Vec<Message> {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let endpoint = EndpointKey {
        app_id: AppId::new(),
        endpoint_id: EndpointId::new(),
    };
    let id = EventId::new();
    let task = |source| DeliveryTask {
        endpoint,
        delivery_id: DeliveryId::new(),
        source,
        event: EventType::parse("a").unwrap(),
        created_at: at,
        expires_at: at,
        attempt: 1,
        resend: true,
        has_turn: true,
        if_owed: true,
        ephemeral: true,
    };
    let event = |app_id| PublishedEvent {
        app_id,
        id: Some(id),
        r#type: EventType::parse("a").unwrap(),
        timestamp: Some(at),
        data: RawValue::from_string("1".to_owned()).unwrap(),
        audience: Audience {
            channels: Channels::parse("channels", ["a"]).unwrap(),
            only: Some(endpoint.endpoint_id),
        },
        store_payload: false,
    };
    let app_id = endpoint.app_id;
    let payload = "{}".to_owned();
    vec![
        Message::Event(event(app_id)),
        Message::Delivery(task(Source::Event(id))),
        Message::Delivery(task(Source::Ping { id, payload })),
        Message::Recover(Recovery {
            id,
            endpoint,
            asked_at: at,
            from: DeliveryId::MIN,
            before: DeliveryId::MAX,
            remaining: 1,
        }),
        Message::Replay(Replay {
            id,
            endpoint,
            asked_at: at,
            types: Types(Some(Subscriptions::parse("types", ["a"]).unwrap())),
            others: vec![endpoint.endpoint_id],
            from: DeliveryId::MIN,
            to: DeliveryId::MAX,
            after: Some(DeliveryId::MIN),
            remaining: 1,
        }),
        Message::Tend(Tend {
            endpoint,
            due_at: Some(at),
            after: Some(DeliveryId::new()),
            last: true,
        }),
        Message::DeleteApp(AppDeletion { app_id }),
        Message::Erase(Erasure {
            app_id,
            event_id: id,
        }),
        Message::Sweep,
    ]
}

#[test]
fn every_field_of_a_message_is_in_the_newest_fixtures_and_absent_where_it_may_be() {
    if writes() {
        return;
    }
    let mut known = BTreeMap::<String, Vec<BTreeSet<String>>>::new();
    for message in newest().iter().flat_map(|world| &world.messages) {
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let fields = fields_of(&body).into_iter().collect();
        known
            .entry(body["kind"].to_string())
            .or_default()
            .push(fields);
    }
    let mut missing = Vec::new();
    for message in fullest() {
        let body: Value = serde_json::from_str(&message.to_json().unwrap()).unwrap();
        let kind = body["kind"].to_string();
        let of_kind = known.get(&kind).cloned().unwrap_or_default();
        for field in fields_of(&body) {
            if !of_kind.iter().any(|fields| fields.contains(&field)) {
                missing.push(format!("{kind} with {field}"));
            }
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(&field);
            // A field within another one is not removed, and never absent.
            let may_lack = !field.contains('.') && Message::from_json(&without.to_string()).is_ok();
            if may_lack && of_kind.iter().all(|fields| fields.contains(&field)) {
                missing.push(format!("{kind} without {field}"));
            }
        }
    }
    // The service's own events, which only differ by their app.
    assert!(
        known.contains_key(&json!("notice").to_string()),
        "{ADVICE}\nnotices"
    );
}
