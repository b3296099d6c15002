//! One version reads what another one wrote, also while both run. The fixtures are what
//! each released version left behind: see docs/development/fixtures.md.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute::{
    ABANDONED, ATTEMPT_LOG, HEADERS, PREVIOUS_SECRET, WAITING_SINCE,
};

use crate::support::item_json::{item_to_json, of_json, to_json};
use crate::support::world::play::Play;
use crate::support::world::shape::kind_of;
use crate::support::world::{Outcome, World, files};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Longer than the retries of a delivery take.
const LONG: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// Worlds that are played at the same time.
const AT_ONCE: usize = 4;

/// Plays all worlds of all versions.
async fn of_every_world<F: Future<Output = ()>>(play: impl Fn(World) -> F) {
    let worlds = files::versions()
        .into_iter()
        .flat_map(|it| files::worlds_of(&it));
    let playing = stream::iter(worlds).for_each_concurrent(AT_ONCE, play);
    playing.await;
}

/// Asserts that what was expected is there. More fields may have been added since.
#[track_caller]
fn assert_includes(found: &Value, expected: &Value, what: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, expected) in expected {
                let found = found.get(name);
                let found = found.unwrap_or_else(|| panic!("{what} has no {name} any more"));
                assert_includes(found, expected, &format!("{what}, {name}"));
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (found, expected) in found.iter().zip(expected) {
                assert_includes(found, expected, what);
            }
        }
        _ => assert_eq!(found, expected, "{what}"),
    }
}

#[track_caller]
fn assert_outcome(found: &Outcome, expected: &Outcome, scene: &str) {
    assert_eq!(found.arrived, expected.arrived, "{scene}");
    assert_eq!(found.recorded, expected.recorded, "{scene}");
}

#[tokio::test]
async fn items_and_messages_of_every_version_are_read_and_handled() {
    of_every_world(|world| async move {
        let found = world.find_outcome().await;
        for (path, expected) in &world.outcome.shown {
            let what = format!("{}: {path}", world.scene);
            assert_includes(&found.shown[path], expected, &what);
        }
        assert_outcome(&found, &world.outcome, &world.scene);
    })
    .await;
}

/// A field or an attribute that a newer version could write.
const NEWER: &str = "zz";

/// Adds an unknown attribute to an item, and to the maps in it whose names are the service's
/// own.
fn with_unknown_attributes(item: &Value) -> Value {
    let mut item = item.clone();
    for name in [HEADERS, PREVIOUS_SECRET] {
        if let Some(map) = item.get_mut(name) {
            map["M"][NEWER] = json!({"M": {"newer": {"S": "ignored"}}});
        }
    }
    let log = item
        .get_mut(ATTEMPT_LOG)
        .and_then(|log| log["L"].as_array_mut());
    for entry in log.into_iter().flatten() {
        entry["M"][NEWER] = json!({"L": [{"S": "ignored"}]});
    }
    item[NEWER] = json!({"S": "kept"});
    item
}

/// Adds unknown fields to a message.
fn with_unknown_fields(body: &str) -> String {
    // As text, because the data of an event is kept byte for byte.
    let rest = body.strip_prefix('{').unwrap();
    let body = format!(r#"{{"{NEWER}":{{"newer":true}},{rest}"#);
    let ping = format!(r#""ping":{{"{NEWER}":null,"#);
    body.replacen(r#""ping":{"#, &ping, 1)
}

/// Items that are always written as a whole: all that they say is that they are there.
const MARKS: [&str; 2] = ["fanned out", "repeat"];

/// Whether it is a delivery of a deleted endpoint. If its history was removed while an attempt
/// was on its way, that wrote another item with the same key.
fn is_made_again(item: &Value) -> bool {
    item[ABANDONED]["S"] == "ENDPOINT_DELETED"
}

#[tokio::test]
async fn unknown_attributes_and_fields_are_ignored_and_kept() {
    of_every_world(|mut world| async move {
        for item in &mut world.items {
            *item = with_unknown_attributes(item);
        }
        for message in &mut world.messages {
            message.body = with_unknown_fields(&message.body);
        }
        let (found, items) = world.find_outcome_and_items().await;
        for (path, expected) in &world.outcome.shown {
            let what = format!("{}: {path}", world.scene);
            assert_includes(&found.shown[path], expected, &what);
        }
        assert_outcome(&found, &world.outcome, &world.scene);
        let keys = |item: &Value| (item["pk"].clone(), item["sk"].clone());
        let before: Vec<_> = world.items.iter().map(keys).collect();
        for item in items {
            let is_kept = item[NEWER]["S"] == "kept";
            let may_be_new = MARKS.contains(&kind_of(&item)) || is_made_again(&item);
            assert!(
                is_kept || may_be_new || !before.contains(&keys(&item)),
                "{}: {item}",
                world.scene
            );
        }
    })
    .await;
}

/// Values that a newer version could write, by the kind of item and the attribute.
fn newer_values() -> Vec<(&'static str, &'static str, Value)> {
    let text = |text: &str| json!({ "S": text });
    vec![
        ("endpoint", "why", text("NEWER")),
        ("endpoint", "tr", json!({"B": "eg=="})),
        ("endpoint", "fi", text(r#"{"newer": {}}"#)),
        ("endpoint", "ev", json!({"L": [{"S": "newer?"}]})),
        ("endpoint", "on", text("newer")),
        ("endpoint", "u", text("newer:url")),
        ("endpoint", "hdr", json!({"M": {}})),
        ("endpoint", "prev", json!({"M": {}})),
        ("endpoint", "key", text("newer")),
        (
            "endpoint",
            "gsi2sk",
            text("2026-01-01T00:00:00.000Z#newer#NEWER"),
        ),
        ("delivery", "s", text("N")),
        ("delivery", "a", text("NEWER")),
        ("delivery", "t", text("newer?")),
        ("delivery", "l", json!({"L": [{"M": {}}]})),
        ("event", "b", json!({"B": "/w=="})),
        ("event", "t", text("newer?")),
        ("event", "g", text("newer")),
        ("sealing key", "public", text("newer")),
    ]
}

/// So many worlds show what becomes of such a value, the smallest of those that have it.
const WORLDS_OF_A_VALUE: usize = 3;

#[tokio::test]
async fn nothing_is_lost_by_values_that_only_a_newer_version_can_read() {
    let mut worlds = files::worlds_of(&files::versions().pop().unwrap());
    worlds.retain(|world| !world.outcome.arrived.is_empty());
    worlds.sort_by_key(|world| world.items.len());
    let cases = newer_values().into_iter().flat_map(|(kind, name, newer)| {
        let has_it = move |item: &Value| kind_of(item) == kind && item.get(name).is_some();
        let waits = move |item: &Value| has_it(item) && item.get(WAITING_SINCE).is_some();
        let having = |has: &dyn Fn(&Value) -> bool| {
            let having = worlds.iter().filter(|it| it.items.iter().any(has));
            having.take(WORLDS_OF_A_VALUE).cloned().collect::<Vec<_>>()
        };
        let mut some = having(&has_it);
        // Nothing comes back by itself to what waits.
        some.extend(having(&waits));
        assert!(!some.is_empty(), "no fixture has {name} of {kind}");
        some.into_iter()
            .map(move |world| (world, kind, name, newer.clone()))
    });
    let cases: Vec<_> = cases.collect();
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, |(world, kind, name, newer)| async move {
            let what = format!("{}, {name} of {kind}", world.scene);
            let (play, old) = play_with(&world, kind, name, &newer).await;
            must_lose_nothing(play, &world, &old, name, &newer, &what).await;
        })
        .await;
}

/// The values of an attribute, by the keys of their items.
type Values = BTreeMap<(String, String), Value>;

/// A world in which all of these attributes have a newer value, and the values before.
async fn play_with(world: &World, kind: &str, name: &str, newer: &Value) -> (Play, Values) {
    let play = world.play().await;
    let mut old = Values::new();
    for item in play.items().await {
        let item = item_to_json(&item);
        if kind_of(&item) == kind && item.get(name).is_some() {
            let part = |name: &str| item[name]["S"].as_str().unwrap().to_owned();
            old.insert((part("pk"), part("sk")), item[name].clone());
        }
    }
    for (pk, sk) in old.keys() {
        play.app.aws.set(pk, sk, name, of_json(newer)).await;
    }
    (play, old)
}

/// Lets some time go by, goes back to a version that can read the values, and asserts that
/// everything arrives that would have arrived.
async fn must_lose_nothing(
    mut play: Play,
    world: &World,
    old: &Values,
    name: &str,
    newer: &Value,
    what: &str,
) {
    play.rest_within(2 * HOUR).await;
    for item in play.items().await {
        let part = |name: &str| item[name].as_s().unwrap().clone();
        let (pk, sk) = (part("pk"), part("sk"));
        let old = old.get(&(pk.clone(), sk.clone()));
        let is_newer = item.get(name).map(to_json).as_ref() == Some(newer);
        if let Some(old) = old.filter(|_| is_newer) {
            play.app.aws.set(&pk, &sk, name, of_json(old)).await;
        }
    }
    play.redrive();
    assert!(play.rest_within(LONG).await, "{what} goes on forever");
    assert_eq!(play.letters, [], "{what}");
    let found = play.outcome().await;
    let arrived: BTreeSet<_> = found.arrived.iter().collect();
    let expected: BTreeSet<_> = world.outcome.arrived.iter().collect();
    assert_eq!(arrived, expected, "{what}");
}

#[tokio::test]
async fn messages_that_only_a_newer_version_can_read_are_dead_letters_until_then() {
    of_every_world(|world| async move {
        if world.messages.is_empty() {
            return;
        }
        let mut play = world.play().await;
        let bodies: BTreeMap<_, _> = play
            .pending
            .iter()
            .map(|it| (newer_message(&it.body), it.body.clone()))
            .collect();
        for message in &mut play.pending {
            message.body = newer_message(&message.body);
        }
        play.handle_due().await;
        while play.handle_next().await {}
        let letters: BTreeSet<_> = play.letters.iter().map(|it| it.body.clone()).collect();
        assert!(
            bodies.keys().all(|body| letters.contains(body)),
            "{}",
            world.scene
        );
        for letter in &mut play.letters {
            letter.body = bodies[&letter.body].clone();
        }
        play.redrive();
        assert!(play.rest_within(LONG).await, "{}", world.scene);
        let found = play.outcome().await;
        assert_eq!(found.arrived, world.outcome.arrived, "{}", world.scene);
    })
    .await;
}

/// The message as a newer version could send it: with another kind, or, of an attempt, with
/// another source.
fn newer_message(body: &str) -> String {
    match body.contains(r#""source":{"event":"#) {
        true => body.replacen(r#""source":{"event":"#, r#""source":{"newer":"#, 1),
        false => body.replacen(r#""kind":""#, r#""kind":"newer-"#, 1),
    }
}

#[tokio::test]
async fn messages_in_flight_arrive_once_while_two_versions_handle_them() {
    of_every_world(|world| async move {
        let mut play = world.play().await;
        play.add_handler();
        assert!(play.rest_within(LONG).await, "{}", world.scene);
        assert_eq!(play.letters, [], "{}", world.scene);
        assert_outcome(&play.outcome().await, &world.outcome, &world.scene);
    })
    .await;
}

#[tokio::test]
async fn messages_that_both_versions_get_arrive_at_least_once() {
    of_every_world(|world| async move {
        let mut play = world.play().await;
        play.add_handler();
        play.hands_out_twice = true;
        assert!(play.rest_within(LONG).await, "{}", world.scene);
        assert_eq!(play.letters, [], "{}", world.scene);
        let mut found = play.outcome().await;
        found.arrived.dedup();
        let mut expected = world.outcome.arrived.clone();
        expected.dedup();
        assert_eq!(found.arrived, expected, "{}", world.scene);
    })
    .await;
}
