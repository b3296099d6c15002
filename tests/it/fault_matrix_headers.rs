//! Fault matrices of calls that set an endpoint's headers.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::matrix::Matrix;
use crate::support::stage::{Stage, succeeded};
use crate::support::{Answer, STORAGES};

const TOKEN: &str = "Bearer some-token";

fn headers() -> Value {
    json!({ "Authorization": TOKEN })
}

/// Asserts that a ping of this endpoint arrives signed and with the header.
async fn must_authorize(stage: &Stage, id: &str, secret: &str) {
    stage.must_sign_with(id, secret, &[]).await;
    let arrived = stage.receiver.received().pop().unwrap();
    assert_eq!(arrived.header("authorization"), TOKEN);
}

#[tokio::test]
async fn setting_headers_succeeds_or_can_be_retried() {
    for storage in STORAGES {
        let matrix = Matrix::of("update, headers").with_storage(storage);
        matrix
            .run(async |stage| {
                let path = stage.path("");
                let body = json!({ "headers": headers() });
                let mut updated = stage.disturbed(stage.app.api.put_json(&path, &body)).await;
                if !succeeded(&updated) {
                    updated = stage.app.api.put_json(&path, &body).await;
                }
                assert_eq!(updated.status, StatusCode::OK);
                let shown = stage.app.api.get(&path).await;
                assert_eq!(shown.data()["headerNames"], json!(["Authorization"]));
                must_authorize(stage, &stage.id, &stage.secret).await;
            })
            .await;
    }
}

#[tokio::test]
async fn creation_with_headers_succeeds_or_can_be_retried() {
    for storage in STORAGES {
        let matrix = Matrix::of("create, headers").with_storage(storage);
        matrix
            .run(async |stage| {
                let url = stage.receiver.url.clone();
                let body = json!({"url": url, "events": ["*"], "headers": headers()});
                let mut created = stage.disturbed(stage.app.api.post_json("", &body)).await;
                if !succeeded(&created) {
                    created = stage.app.api.post_json("", &body).await;
                }
                assert_eq!(created.status, StatusCode::CREATED);
                let text = |answer: &Answer, name: &str| -> String {
                    answer.data()[name].as_str().unwrap().to_owned()
                };
                let (id, secret) = (text(&created, "id"), text(&created, "secret"));
                must_authorize(stage, &id, &secret).await;
            })
            .await;
    }
}
