use super::*;
use crate::domain::delivery::Answer;
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::failure::Failure;
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use crate::domain::message::Source;

#[test]
fn log_lines_have_what_differs_from_an_ordinary_delivery() {
    let at: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
    let event_id = EventId::new();
    let task = DeliveryTask {
        endpoint: EndpointKey {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
        },
        delivery_id: DeliveryId::new(),
        source: Source::Event(event_id),
        event: EventType::parse_published("invoice.paid").unwrap(),
        created_at: at,
        expires_at: at,
        attempt: 1,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    };
    let ordinary = json!({
        "app_id": task.endpoint.app_id.to_string(),
        "endpoint_id": task.endpoint.endpoint_id.to_string(),
        "delivery_id": task.delivery_id.to_string(),
    });
    let failed = json!({
        "event_id": event_id.to_string(), "event": "invoice.paid", "response_status": 500
    });
    let timed_out = json!({
        "event_id": event_id.to_string(), "event": "invoice.paid", "response_status": null,
        "failure": Failure::Timeout.code(),
    });
    let answered = |status| Verdict::Answered(Answer::bare(status));
    let (fast, probe) = (Occasion::Lane(Lane::Fast), Occasion::Probe);
    for (number, verdict, occasion, recorded, more) in [
        (1, answered(204), fast, Recorded::Written, json!({})),
        (
            2,
            answered(204),
            fast,
            Recorded::Written,
            json!({"attempt": 2}),
        ),
        (1, answered(500), fast, Recorded::Written, failed),
        (
            1,
            Verdict::Failed(Failure::Timeout),
            fast,
            Recorded::Written,
            timed_out,
        ),
        (
            1,
            answered(204),
            probe,
            Recorded::Written,
            json!({"probe": true}),
        ),
        (
            1,
            answered(204),
            fast,
            Recorded::Stale,
            json!({"duplicate": true}),
        ),
    ] {
        let attempt = Attempt {
            number,
            started_at: at,
            duration_ms: 1,
            verdict,
        };
        let mut expected = ordinary.clone();
        if let (Value::Object(expected), Value::Object(more)) = (&mut expected, more) {
            expected.extend(more);
        }
        assert_eq!(details(&task, occasion, &attempt, recorded), expected);
    }
}
