//! JSON: our own reading of it agrees with `serde_json`, and event data reaches the body of a
//! delivery unchanged.

use serde_json::Value;
use serde_json::value::RawValue;

use super::must;
use crate::domain::event::{MAX_NESTING, payload_of, split_payload};
use crate::domain::event_type::EventType;
use crate::domain::json::{Fields, elements, has_field, nesting, repeats_a_name};
use crate::domain::payload_format::PayloadFormat;
use crate::domain::time;

pub(crate) fn run(text: &str) {
    let depth = nesting(text);
    assert!(depth <= text.len());
    let sound = serde_json::from_str::<&RawValue>(text).ok();
    let Some(json) = sound else {
        assert!(serde_json::from_str::<Fields>(text).is_err());
        assert_eq!(elements(text, usize::MAX).map(|all| all.len()), None);
        return;
    };
    if depth <= MAX_NESTING {
        check_bodies(json.get());
    }
    // Fails for deep nesting, and for strings with half of a surrogate pair.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let repeats = count_of_names(&value) < written_names(text);
        assert_eq!(repeats_a_name(json), repeats);
        // A value keeps only the last of the fields with the same name.
        let found = depth_of(&value);
        assert!(depth == found || (repeats && depth > found));
        check_value(text, &value);
    }
}

fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth_of).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth_of).max().unwrap_or_default(),
        _ => 0,
    }
}

fn check_value(text: &str, value: &Value) {
    match value {
        Value::Object(known) => {
            let fields: Fields = must(serde_json::from_str(text));
            assert!(fields.values.keys().eq(known.keys()));
            for name in &fields.repeated {
                assert!(known.contains_key(name));
            }
            for (name, raw) in &fields.values {
                assert!(has_field(text, name));
                let read: Value = must(serde_json::from_str(raw.get()));
                assert!(read == known[name] || fields.repeated.contains(name));
            }
            assert_eq!(has_field(text, "event"), known.contains_key("event"));
        }
        Value::Array(values) => {
            let read = elements(text, values.len()).unwrap_or_default();
            let read = read.iter().map(|raw| must(serde_json::from_str(raw.get())));
            assert_eq!(&read.collect::<Vec<Value>>(), values);
            if let Some(fewer) = values.len().checked_sub(1) {
                assert!(elements(text, fewer).is_none());
            }
        }
        _ => assert!(elements(text, usize::MAX).is_none()),
    }
}

fn count_of_names(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(count_of_names).sum(),
        Value::Object(fields) => fields.len() + fields.values().map(count_of_names).sum::<usize>(),
        _ => 0,
    }
}

/// Counts the colons outside strings, which are as many as the names.
fn written_names(json: &str) -> usize {
    let without_escapes = json.replace(r"\\", "").replace(r#"\""#, "");
    let outside = without_escapes.split('"').step_by(2);
    outside.map(|part| part.matches(':').count()).sum()
}

/// Every payload format is valid JSON that contains the data byte for byte.
fn check_bodies(data: &str) {
    let r#type = must(EventType::parse("invoice.paid"));
    let at = must(time::parse("2026-01-31T09:30:00Z"));
    let payload = payload_of(&r#type, at, data);
    assert_eq!(split_payload(&r#type, &payload), Some((at, data)));
    let body = |format: PayloadFormat| format.body(&r#type, payload.clone());
    assert_eq!(body(PayloadFormat::Standard), payload);
    assert_eq!(body(PayloadFormat::Data), data);
    let flat = body(PayloadFormat::Flat);
    let fields: Fields = must(serde_json::from_str(&flat));
    assert_eq!(fields.values["event"].get(), r#""invoice.paid""#);
    match serde_json::from_str::<Fields>(data) {
        Ok(own) if !own.values.contains_key("event") => {
            assert_eq!(fields.values.len(), own.values.len() + 1);
            for (name, value) in own.values {
                assert_eq!(fields.values[&name].get(), value.get());
            }
        }
        _ => {
            assert_eq!(fields.values.len(), 2);
            assert_eq!(fields.values["data"].get(), data);
        }
    }
}
