use super::*;
use crate::domain::channel::Channels;

fn event(payload: &str) -> StoredEvent {
    let at = "2026-01-31T09:30:00.125Z".parse().unwrap();
    StoredEvent {
        r#type: EventType::parse("invoice.paid").unwrap(),
        accepted_at: at,
        expires_at: "2026-03-02T09:30:00Z".parse().unwrap(),
        payload: StoredPayload::Kept(payload.to_owned()),
        kept_for: None,
        audience: Audience::default(),
        fan_out: FanOut {
            by: "01a20e92-ebe2-7744-a48e-17f9d6663787".to_owned(),
            since: at,
        },
    }
}

#[test]
fn audiences_round_trip() {
    let app_id = AppId::parse("acme").unwrap();
    let payload = r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.000Z","data":1}"#;
    let channels = |names: &[&str]| Channels::parse("c", names.iter().copied()).unwrap();
    for audience in [
        Audience::default(),
        Audience {
            channels: channels(&["a", "team:7"]),
            only: Some(EndpointId::new()),
        },
        Audience {
            channels: channels(&[]),
            only: Some(EndpointId::new()),
        },
    ] {
        let event = StoredEvent {
            audience,
            ..event(payload)
        };
        let item = item_of(app_id, EventId::new(), &event);
        assert_eq!(event_record(item).unwrap().event().unwrap(), event);
    }
}

#[test]
fn payloads_round_trip_byte_for_byte() {
    let app_id = AppId::parse("acme").unwrap();
    for (payload, is_split) in [
        (
            r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.000Z","data":{"a": 1e2}}"#,
            true,
        ),
        (
            r#"{"type":"invoice.paid","timestamp":"0000-01-01T00:00:00.001Z","data":"é}"}"#,
            true,
        ),
        (
            r#"{"type":"invoice.paid","timestamp":"9999-12-30T00:00:00.999Z","data":null}"#,
            true,
        ),
        // Not exactly as the service writes them, so splitting them would change bytes.
        (
            r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00Z","data":1}"#,
            false,
        ),
        (
            r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.0001Z","data":1}"#,
            false,
        ),
        (
            r#"{"type":"invoice.paid","timestamp":"2026-01-31T10:30:00.000+01:00","data":1}"#,
            false,
        ),
        (
            r#"{"type":"a","timestamp":"2026-01-31T09:30:00.000Z","data":1}"#,
            false,
        ),
        (
            r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.000Z","data":1} "#,
            false,
        ),
        ("{}", false),
        ("", false),
    ] {
        let item = item_of(app_id, EventId::new(), &event(payload));
        assert_eq!(item.contains_key(DATA), is_split, "{payload}");
        let read = event_record(item).unwrap().event();
        assert_eq!(read, Some(event(payload)), "{payload}");
    }
}

#[test]
fn unneeded_payloads_are_not_stored() {
    let app_id = AppId::parse("acme").unwrap();
    let kept_for = |ids: Vec<EndpointId>| StoredEvent {
        kept_for: Some(ids),
        ..event("{}")
    };
    let item = item_of(app_id, EventId::new(), &kept_for(Vec::new()));
    let read = event_record(item).unwrap().event().unwrap();
    assert_eq!(read.payload, StoredPayload::NotKept);
    let needed = kept_for(vec![EndpointId::new()]);
    let item = item_of(app_id, EventId::new(), &needed);
    assert_eq!(event_record(item).unwrap().event(), Some(needed));
}

#[test]
fn events_outlive_their_deleted_payloads() {
    let app_id = AppId::parse("acme").unwrap();
    let deleted = StoredEvent {
        payload: StoredPayload::Deleted("2026-02-01T00:00:00Z".parse().unwrap()),
        ..event("{}")
    };
    let item = item_of(app_id, EventId::new(), &deleted);
    let read = event_record(item).unwrap();
    assert_eq!(read, EventRecord::Event(deleted));
}
