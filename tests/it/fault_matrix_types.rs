//! Fault matrices of calls on the event type catalogue, and of test pings with an event
//! type.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::catalogue::TypeNames;

use crate::support::Answer;
use crate::support::matrix::Matrix;
use crate::support::stage::{Stage, succeeded};

fn body() -> Value {
    json!({"description": "Paid.", "example": {"amount": 1}})
}

async fn put(stage: &Stage) -> Answer {
    stage.app.put_type("invoice.paid", &body()).await
}

/// Asserts that the catalogue has both the type's item and its entry in the list of names,
/// or neither.
async fn must_be_whole(stage: &Stage, is_there: bool) {
    let found = stage.app.get_type("invoice.paid").await;
    assert_eq!(found.status == StatusCode::OK, is_there, "{found:?}");
    let expected: Vec<_> = is_there
        .then(|| "invoice.paid".to_owned())
        .into_iter()
        .collect();
    let names = stage.app.aws.table().event_type_names().await.unwrap();
    assert_eq!(names, expected.into_iter().collect::<TypeNames>());
}

#[tokio::test]
async fn adding_a_type_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("add an event type").with_pairs();
    matrix
        .run(async |stage| {
            let mut added = stage.disturbed(put(stage)).await;
            if succeeded(&added) {
                // Even if the SDK retried, it is reported as created.
                assert_eq!(added.status, StatusCode::CREATED);
            } else {
                added = put(stage).await;
            }
            assert_eq!(added.data()["description"], "Paid.");
            must_be_whole(stage, true).await;
        })
        .await;
}

#[tokio::test]
async fn changing_a_type_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("change an event type").with_pairs();
    matrix
        .run(async |stage| {
            let first = json!({"description": "", "group": "Billing"});
            stage.app.put_type("invoice.paid", &first).await;
            let mut changed = stage.disturbed(put(stage)).await;
            if !succeeded(&changed) {
                changed = put(stage).await;
            }
            assert_eq!(changed.status, StatusCode::OK);
            assert_eq!(changed.data()["group"], Value::Null);
            must_be_whole(stage, true).await;
        })
        .await;
}

#[tokio::test]
async fn deleting_a_type_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("delete an event type").with_pairs();
    matrix
        .run(async |stage| {
            put(stage).await;
            let delete = || stage.app.delete_type("invoice.paid");
            let deleted = stage.disturbed(delete()).await;
            // If the response of the first try is lost, the SDK's retry finds nothing to
            // delete.
            if deleted.status != StatusCode::NOT_FOUND && !succeeded(&deleted) {
                let again = delete().await;
                let is_done = [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND];
                assert!(is_done.contains(&again.status), "{again:?}");
            }
            must_be_whole(stage, false).await;
        })
        .await;
}

#[tokio::test]
async fn reading_the_catalogue_can_be_retried() {
    for (name, path) in [
        ("get an event type", "/invoice.paid"),
        ("list event types", ""),
    ] {
        let matrix = Matrix::of(name);
        matrix
            .run(async |stage| {
                put(stage).await;
                let read = || stage.app.on_types(Method::GET, path, None);
                let undisturbed = read().await;
                let disturbed = stage.disturbed(read()).await;
                if succeeded(&disturbed) {
                    assert_eq!(disturbed.body, undisturbed.body);
                }
            })
            .await;
    }
}

#[tokio::test]
async fn pings_with_an_event_type_arrive_or_can_be_retried() {
    let matrix = Matrix::of("ping like an event").with_pairs();
    matrix
        .run(async |stage| {
            put(stage).await;
            let path = stage.path("/test-ping");
            let ping = || async {
                let request = stage.app.api.request(Method::POST, &path);
                let request = request.header("prefer", "respond-async");
                crate::support::answer(request.json(&json!({"type": "invoice.paid"}))).await
            };
            let mut pinged = stage.disturbed(ping()).await;
            if !succeeded(&pinged) {
                // If freeing the ping slot failed too, the slot is taken until its lease
                // expires.
                stage.clock.advance(std::time::Duration::from_secs(61));
                pinged = ping().await;
            }
            assert_eq!(pinged.status, StatusCode::ACCEPTED, "{pinged:?}");
            let id = pinged.data()["deliveryId"].clone();
            stage.expect_arrival(&id);
            stage.drain().await;
            for request in stage.arrived(id.as_str().unwrap()) {
                assert_eq!(request.header("webhook-test"), "true");
            }
        })
        .await;
}
