//! Fault matrices of calls on endpoints. Each AWS call fails in turn, before or after it
//! takes effect, once or until the request ends. Whatever fails, the caller gets a clear
//! response and can retry, and leftovers are cleaned up.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use webhook_endpoints::domain::secret::SecretStorage;

use crate::support::matrix::Matrix;
use crate::support::queue::message;
use crate::support::stage::{Stage, succeeded};
use crate::support::wire::Fault;
use crate::support::{Answer, STORAGES, TestApp};

fn field(answer: &Answer, name: &str) -> String {
    answer.data()[name]
        .as_str()
        .expect("read the field")
        .to_owned()
}

async fn create(stage: &Stage) -> Answer {
    let body = json!({"url": stage.receiver.url, "events": ["*"]});
    stage.app.api.post_json("", &body).await
}

#[tokio::test]
async fn creation_succeeds_or_can_be_retried() {
    for storage in STORAGES {
        let matrix = Matrix::of("create").with_pairs().with_storage(storage);
        matrix
            .run(async |stage| {
                let mut created = stage.disturbed(create(stage)).await;
                if !succeeded(&created) {
                    created = create(stage).await;
                }
                assert_eq!(created.status, StatusCode::CREATED);
                let (id, secret) = (field(&created, "id"), field(&created, "secret"));
                stage.must_sign_with(&id, &secret, &[&stage.secret]).await;
            })
            .await;
    }
}

#[tokio::test]
async fn creation_over_the_limit_is_rejected_and_leaves_nothing() {
    for storage in STORAGES {
        let matrix = Matrix::of("create beyond the limit")
            .with_pairs()
            .with_storage(storage);
        matrix
            .run(async |stage| {
                stage.fill(100).await;
                let refused = stage.disturbed(create(stage)).await;
                if refused.status != StatusCode::CONFLICT {
                    assert!(!succeeded(&refused), "{refused:?}");
                }
                create(stage).await.must_fail_with(409, "CONFLICT");
                assert_eq!(stage.app.api.listed_ids().await.len(), 1);
            })
            .await;
    }
}

#[tokio::test]
async fn reading_endpoints_can_be_retried() {
    for path in ["", "/{id}"] {
        let matrix = Matrix::of(if path.is_empty() { "list" } else { "get" });
        matrix
            .run(async |stage| {
                let path = path.replace("{id}", &stage.id);
                let undisturbed = stage.app.api.get(&path).await;
                let disturbed = stage.disturbed(stage.app.api.get(&path)).await;
                if succeeded(&disturbed) {
                    assert_eq!(disturbed.body, undisturbed.body);
                }
                assert_eq!(stage.app.api.get(&path).await.body, undisturbed.body);
            })
            .await;
    }
}

#[tokio::test]
async fn updates_succeed_or_can_be_retried() {
    let matrix = Matrix::of("update");
    matrix
        .run(async |stage| {
            let path = stage.path("");
            let patch = json!({"events": ["invoice.*"], "active": false});
            let mut updated = stage.disturbed(stage.app.api.put_json(&path, &patch)).await;
            if !succeeded(&updated) {
                updated = stage.app.api.put_json(&path, &patch).await;
            }
            assert_eq!(updated.data()["active"], false);
            let shown = stage.app.api.get(&path).await;
            assert_eq!(shown.data()["events"], json!(["invoice.*"]));
            assert_eq!(shown.data()["updatedAt"], updated.data()["updatedAt"]);
        })
        .await;
}

/// Deletes the current sealing key, so the API has to notice that and create another.
#[tokio::test]
async fn creation_of_a_sealing_key_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("create with the first key").with_pairs();
    matrix
        .with_storage(SecretStorage::Sealed)
        .run(async |stage| {
            stage.app.api.delete(&stage.path("")).await;
            stage.app.aws.remove_sealing_key().await;
            let mut created = stage.disturbed(create(stage)).await;
            if !succeeded(&created) {
                created = create(stage).await;
            }
            assert_eq!(created.status, StatusCode::CREATED);
            let (id, secret) = (field(&created, "id"), field(&created, "secret"));
            stage.must_sign_with(&id, &secret, &[&stage.secret]).await;
        })
        .await;
}

#[tokio::test]
async fn rotation_that_moves_a_secret_succeeds_or_can_be_retried() {
    for (from, to) in [(0, 1), (1, 0)] {
        let matrix = Matrix::of("rotate, moved");
        matrix
            .with_storage(STORAGES[from])
            .run(async |stage| {
                let api = stage.app.another_api(STORAGES[to]).await;
                let path = stage.path("/rotate-secret");
                let mut rotated = stage.disturbed(api.post(&path)).await;
                if !succeeded(&rotated) {
                    rotated = api.post(&path).await;
                }
                let secret = field(&rotated, "secret");
                let old = [stage.secret.as_str()];
                stage.must_sign_with(&stage.id, &secret, &old).await;
            })
            .await;
    }
}

async fn rotate(app: &TestApp, id: &str) -> Answer {
    app.api.post(&format!("/{id}/rotate-secret")).await
}

#[tokio::test]
async fn rotation_succeeds_or_can_be_retried() {
    for storage in STORAGES {
        let matrix = Matrix::of("rotate").with_pairs().with_storage(storage);
        matrix
            .run(async |stage| {
                let mut rotated = stage.disturbed(rotate(&stage.app, &stage.id)).await;
                if !succeeded(&rotated) {
                    rotated = rotate(&stage.app, &stage.id).await;
                }
                let secret = field(&rotated, "secret");
                let old = [stage.secret.as_str()];
                stage.must_sign_with(&stage.id, &secret, &old).await;
            })
            .await;
    }
}

#[tokio::test]
async fn rotation_with_an_overlap_succeeds_or_can_be_retried() {
    for from in STORAGES {
        for to in STORAGES {
            let matrix = Matrix::of("rotate, overlap").with_storage(from);
            matrix
                .run(async |stage| {
                    let api = stage.app.another_api(to).await;
                    let (path, body) = (
                        stage.path("/rotate-secret"),
                        json!({"overlapSeconds": 3600}),
                    );
                    let rotated = stage.disturbed(api.post_json(&path, &body)).await;
                    if succeeded(&rotated) {
                        let secret = field(&rotated, "secret");
                        stage.must_sign_with(&stage.id, &secret, &[]).await;
                        stage.must_sign_with(&stage.id, &stage.secret, &[]).await;
                    }
                    // Whether or not the first rotation took effect, another one succeeds
                    // and wins.
                    let secret = field(&api.post(&path).await, "secret");
                    let old = [stage.secret.as_str()];
                    stage.must_sign_with(&stage.id, &secret, &old).await;
                })
                .await;
        }
    }
}

#[tokio::test]
async fn ending_an_overlap_succeeds_or_can_be_retried() {
    for from in STORAGES {
        for to in STORAGES {
            let matrix = Matrix::of("delete previous secret").with_storage(from);
            matrix
                .run(async |stage| {
                    let api = stage.app.another_api(to).await;
                    let body = json!({"overlapSeconds": 3600});
                    let rotated = api.post_json(&stage.path("/rotate-secret"), &body).await;
                    let secret = field(&rotated, "secret");
                    stage.must_sign_with(&stage.id, &stage.secret, &[]).await;
                    let path = stage.path("/previous-secret");
                    let mut deleted = stage.disturbed(api.delete(&path)).await;
                    if deleted.status != StatusCode::NO_CONTENT {
                        assert!(!succeeded(&deleted), "{deleted:?}");
                        deleted = api.delete(&path).await;
                    }
                    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
                    let old = [stage.secret.as_str()];
                    stage.must_sign_with(&stage.id, &secret, &old).await;
                })
                .await;
        }
    }
}

#[tokio::test]
async fn rotation_of_a_deleted_secret_succeeds_or_can_be_retried() {
    for (name, recovery_days) in [("rotate, removed", None), ("rotate, retired", Some(7))] {
        let matrix = Matrix::of(name).with_pairs();
        matrix
            .run(async |stage| {
                stage.app.aws.remove_secret(&stage.id, recovery_days).await;
                let mut rotated = stage.disturbed(rotate(&stage.app, &stage.id)).await;
                if !succeeded(&rotated) {
                    rotated = rotate(&stage.app, &stage.id).await;
                }
                let secret = field(&rotated, "secret");
                let old = [stage.secret.as_str()];
                stage.must_sign_with(&stage.id, &secret, &old).await;
            })
            .await;
    }
}

#[tokio::test]
async fn endpoints_still_sign_after_an_abandoned_rotation() {
    for storage in STORAGES {
        let matrix = Matrix::of("rotate, given up")
            .with_pairs()
            .with_storage(storage);
        matrix
            .run(async |stage| {
                let rotated = stage.disturbed(rotate(&stage.app, &stage.id)).await;
                succeeded(&rotated);
                stage.publish().await;
            })
            .await;
    }
}

#[tokio::test]
async fn deletion_succeeds_or_can_be_retried() {
    for storage in STORAGES {
        let matrix = Matrix::of("delete").with_pairs().with_storage(storage);
        matrix
            .run(async |stage| {
                let path = stage.path("");
                let deleted = stage.disturbed(stage.app.api.delete(&path)).await;
                if !succeeded(&deleted) {
                    let again = stage.app.api.delete(&path).await;
                    if again.status != StatusCode::NO_CONTENT {
                        again.must_fail_with(404, "NOT_FOUND");
                    }
                }
                stage
                    .app
                    .api
                    .get(&path)
                    .await
                    .must_fail_with(404, "NOT_FOUND");
                assert!(stage.app.aws.secret_names().await.is_empty());
                // Nothing is left over, even without the cleanup.
                stage.must_be_consistent().await;
            })
            .await;
    }
}

#[tokio::test]
async fn sweeps_finish_abandoned_deletions_despite_any_fault() {
    let matrix = Matrix::of("finish a deletion").with_pairs();
    matrix
        .run(async |stage| {
            stage
                .app
                .aws
                .wire
                .break_calls(&["DeleteSecret"], Fault::Before);
            let deleted = stage.app.api.delete(&stage.path("")).await;
            assert!(!succeeded(&deleted));
            stage.app.aws.wire.mend();
            stage.clock.advance(Duration::from_secs(60 * 60));
            let sweep = message(Some("sweep"), r#"{"kind":"sweep"}"#);
            let swept = stage.disturbed(stage.app.queue.handle([sweep])).await;
            assert!(swept.is_ok());
        })
        .await;
}

#[tokio::test]
async fn abandoned_deletions_are_cleaned_up() {
    for storage in STORAGES {
        let matrix = Matrix::of("delete, given up")
            .with_pairs()
            .with_storage(storage);
        matrix
            .run(async |stage| {
                let deleted = stage.disturbed(stage.app.api.delete(&stage.path(""))).await;
                succeeded(&deleted);
            })
            .await;
    }
}
