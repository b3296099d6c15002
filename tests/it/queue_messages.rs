//! The examples of docs/queue-messages.md, which other services build on.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use webhook_endpoints::domain::event::PublishedEvent;
use webhook_endpoints::domain::message::Message;

const GUIDE: &str = include_str!("../../docs/queue-messages.md");

/// The guide's code blocks in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let mut blocks = Vec::new();
    let mut rest = GUIDE;
    while let Some((_, after)) = rest.split_once(&format!("```{language}\n")) {
        let (block, after) = after.split_once("```").expect("find the end of the block");
        blocks.push(block);
        rest = after;
    }
    blocks
}

fn event_of(message: &str) -> PublishedEvent {
    match Message::from_json(message) {
        Ok(Message::Event(event)) => event,
        other => panic!("not an event: {other:?}"),
    }
}

#[test]
fn sample_message_is_an_event() {
    let event = event_of(blocks("json")[0]);
    assert_eq!(event.r#type.as_str(), "invoice.paid");
    assert_eq!(event.data.get(), r#"{"invoice": "inv_1", "amount": 1200}"#);
    assert!(event.id.is_some() && event.timestamp.is_some());
}

/// An EventBridge event with this `detail-type`, and the message that one of the guide's
/// rules makes of it.
fn transformed(rule: &str, detail_type: &str) -> (Value, String) {
    let (_, transformer) = rule
        .split_once("InputPathsMap:")
        .expect("find the input transformer");
    let (paths, template) = transformer
        .split_once("InputTemplate: >-")
        .expect("find the input template");
    let (template, _) = template
        .split_once("\n\n")
        .expect("find the end of the template");
    let paths: BTreeMap<_, _> = paths
        .lines()
        .filter_map(|line| line.trim().split_once(": $."))
        .collect();

    let input = json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": detail_type,
        "source": "com.example.invoicing",
        "account": "123456789012",
        "time": "2026-01-31T09:30:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "appId": "01890000-0000-7000-8000-00000000000a",
            "invoice": {"id": "inv_1", "amount": 1200},
        },
    });
    let mut message = template.trim().to_owned();
    for (name, path) in paths {
        let pointer = format!("/{}", path.replace('.', "/"));
        let value: &Value = input.pointer(&pointer).expect(path);
        message = message.replace(&format!("<{name}>"), &value.to_string());
    }
    (input, message)
}

#[test]
fn sample_rules_transform_eventbridge_input_into_events() {
    let blocks = blocks("yaml");
    let rules = blocks
        .iter()
        .filter(|block| block.contains("AWS::Events::Rule"));
    let rules: Vec<_> = rules.collect();
    assert_eq!(rules.len(), 2);
    for (rule, detail_type) in rules.iter().zip(["invoice.paid", "Invoice Paid"]) {
        assert!(rule.contains(detail_type));
        let (input, message) = transformed(rule, detail_type);
        let event = event_of(&message);
        assert_eq!(json!(event.id), input["id"]);
        assert_eq!(json!(event.app_id), input["detail"]["appId"]);
        assert_eq!(event.r#type.as_str(), "invoice.paid");
        let data: Value = serde_json::from_str(event.data.get()).unwrap();
        assert_eq!(data, input["detail"]["invoice"]);
        let timestamp: jiff::Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        assert_eq!(event.timestamp, Some(timestamp));
    }
    // This is why the guide has a second rule.
    let (_, message) = transformed(rules[0], "Invoice Paid");
    let refused = Message::from_json(&message).unwrap_err().to_string();
    assert!(
        refused.contains("type must be segments of letters"),
        "{refused}"
    );
}
