//! Events with the id of an earlier one and other contents. The first one counts, and the log says
//! that the other one was ignored.

use serde_json::json;
use webhook_endpoints::domain::id::EventId;

use crate::support::queue::message;
use crate::support::{Options, TestApp, log};

#[tokio::test]
async fn events_that_differ_from_one_with_the_same_id_are_logged() {
    const IGNORED: &str = "ignored an event that differs from an earlier one with the same id";
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    let queue = app.queue.by_message();
    for (change, differs) in [
        (json!({}), false),
        (json!({"timestamp": "2026-01-01T00:00:00Z"}), false),
        (json!({"type": "invoice.due"}), true),
        (json!({"data": {"n": 2}}), true),
        (json!({"channels": ["eu"]}), true),
    ] {
        let event = |id: EventId| {
            json!({"kind": "event", "appId": app.app_id, "id": id, "type": "invoice.paid",
                "data": {"n": 1}})
        };
        for batch_size in [1, 2] {
            let first = event(EventId::new());
            let mut second = first.clone();
            for (name, value) in change.as_object().unwrap() {
                second[name] = value.clone();
            }
            let messages = [("a", first), ("b", second)];
            let messages = messages.map(|(id, event)| message(Some(id), event.to_string()));
            let handling = async {
                for batch in messages.chunks(batch_size) {
                    assert_eq!(queue.handle(batch.to_vec()).await, Ok(Vec::new()));
                }
            };
            let lines = log::lines_of(handling).await;
            let ignored = log::saying(&lines, IGNORED).len();
            assert_eq!(ignored, usize::from(differs), "{change} {batch_size}");
        }
    }
}
