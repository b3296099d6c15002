use super::*;
use crate::domain::id::EndpointId;

fn at() -> Timestamp {
    "2026-01-01T00:00:00.000Z".parse().unwrap()
}

fn endpoint() -> EndpointKey {
    EndpointKey {
        app_id: AppId::new(),
        endpoint_id: EndpointId::new(),
    }
}

#[test]
fn deliveries_survive_the_queue() {
    let event = DeliveryTask {
        endpoint: endpoint(),
        delivery_id: DeliveryId::new(),
        source: Source::Event(EventId::new()),
        event: EventType::parse("invoice.paid").unwrap(),
        created_at: at(),
        expires_at: at(),
        attempt: 3,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    };
    let ping = DeliveryTask::ping(endpoint(), at(), MAX_DELAY).unwrap();
    let event_type = EventType::parse("invoice.paid").unwrap();
    let typed_ping = DeliveryTask::ping_like(event_type, "[1]", endpoint(), at(), MAX_DELAY);
    for task in [event, ping, typed_ping] {
        let json = Message::Delivery(task.clone()).to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["kind"], "delivery");
        assert_eq!(value["appId"], task.endpoint.app_id.as_str());
        assert_eq!(value["createdAt"], "2026-01-01T00:00:00.000Z");
        let Message::Delivery(read) = Message::from_json(&json).unwrap() else {
            panic!("not a delivery");
        };
        assert_eq!(read, task);
    }
}

#[test]
fn attempt_numbers_do_not_overflow() {
    let mut task = DeliveryTask::ping(endpoint(), at(), MAX_DELAY).unwrap();
    task.attempt = u32::MAX;
    assert_eq!(task.next().attempt, u32::MAX);
}

#[test]
fn what_holds_for_one_attempt_does_not_hold_for_the_next() {
    let ping = DeliveryTask::ping(endpoint(), at(), MAX_DELAY).unwrap();
    let task = DeliveryTask {
        resend: true,
        has_turn: true,
        if_owed: true,
        ..ping.clone()
    };
    let next = DeliveryTask { attempt: 2, ..ping };
    assert_eq!(task.next(), next);
}

#[test]
fn background_messages_survive_the_queue() {
    let recovery = Recovery {
        id: EventId::new(),
        endpoint: endpoint(),
        asked_at: at(),
        from: DeliveryId::new(),
        before: DeliveryId::new(),
        remaining: 10,
    };
    let json = Message::Recover(recovery.clone()).to_json().unwrap();
    let read = Message::from_json(&json);
    assert!(matches!(read, Ok(Message::Recover(read)) if read == recovery));
    let tend = Tend::now(endpoint());
    let json = Message::Tend(tend.clone()).to_json().unwrap();
    let read = Message::from_json(&json);
    assert!(matches!(read, Ok(Message::Tend(read)) if read == tend));
    let app_id = AppId::new();
    let json = Message::DeleteApp(AppDeletion { app_id })
        .to_json()
        .unwrap();
    let read = Message::from_json(&json);
    assert!(matches!(read, Ok(Message::DeleteApp(read)) if read.app_id == app_id));
    let erasure = Erasure {
        app_id,
        event_id: EventId::new(),
    };
    let json = Message::Erase(erasure).to_json().unwrap();
    let read = Message::from_json(&json);
    assert!(matches!(read, Ok(Message::Erase(read)) if read == erasure));
    let sweep = Message::Sweep.to_json().unwrap();
    assert_eq!(sweep, r#"{"kind":"sweep"}"#);
    assert!(matches!(Message::from_json(&sweep), Ok(Message::Sweep)));
}

#[test]
fn event_data_reaches_the_payload_byte_for_byte() {
    let json = r#"{"kind":"event","appId":"acme","type":"invoice.paid","data":{"n":12345678901234567890.10, "a": 1e2}}"#;
    let Message::Event(event) = Message::from_json(json).unwrap() else {
        panic!("not an event");
    };
    let again = Message::Event(event).to_json().unwrap();
    let Message::Event(event) = Message::from_json(&again).unwrap() else {
        panic!("not an event");
    };
    assert_eq!(
        event.payload(at()).unwrap(),
        r#"{"type":"invoice.paid","timestamp":"2026-01-01T00:00:00.000Z","data":{"n":12345678901234567890.10, "a": 1e2}}"#
    );
}

#[test]
fn errors_never_quote_the_message() {
    for text in [
        "",
        "secret",
        r#"{"kind":"secret"}"#,
        r#"{"kind":"event","appId":"a secret"}"#,
    ] {
        let error = Message::from_json(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
