//! Fault matrices of calls on apps, keys and portal sessions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::delivery::delete_app::MARKED_FOR;
use webhook_endpoints::domain::message::{AppDeletion, Message};

use crate::support::matrix::Matrix;
use crate::support::stage::{Stage, succeeded};
use crate::support::{Answer, answer};

async fn call(stage: &Stage, method: Method, path: &str, body: Option<Value>) -> Answer {
    let path = format!("/apps/{}{path}", stage.app.app_id);
    let mut request = stage.app.api.by_platform(method, &path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

async fn put(stage: &Stage) -> Answer {
    call(stage, Method::PUT, "", Some(json!({"name": "Acme"}))).await
}

async fn keys(stage: &Stage) -> Vec<Value> {
    let list = call(stage, Method::GET, "/keys", None).await;
    list.data().as_array().unwrap().clone()
}

#[tokio::test]
async fn creating_an_app_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("make an app").with_pairs();
    matrix
        .run(async |stage| {
            let mut made = stage.disturbed(put(stage)).await;
            if succeeded(&made) {
                // Even if the SDK retried, it is reported as created.
                assert_eq!(made.status, StatusCode::CREATED);
            } else {
                made = put(stage).await;
            }
            assert_eq!(made.data()["name"], "Acme");
            let shown = call(stage, Method::GET, "", None).await;
            assert_eq!(shown.data()["createdAt"], made.data()["createdAt"]);
            assert_eq!(shown.data()["endpoints"], 1);
        })
        .await;
}

#[tokio::test]
async fn reading_apps_and_keys_can_be_retried() {
    for (name, path) in [("get an app", ""), ("list keys", "/keys")] {
        let matrix = Matrix::of(name);
        matrix
            .run(async |stage| {
                put(stage).await;
                let undisturbed = call(stage, Method::GET, path, None).await;
                let disturbed = stage.disturbed(call(stage, Method::GET, path, None)).await;
                if succeeded(&disturbed) {
                    assert_eq!(disturbed.body, undisturbed.body);
                }
            })
            .await;
    }
}

#[tokio::test]
async fn creating_a_key_succeeds_or_leaves_one_that_can_be_revoked() {
    let matrix = Matrix::of("create a key").with_pairs();
    matrix
        .run(async |stage| {
            put(stage).await;
            let body = json!({"scope": "read"});
            let create = call(stage, Method::POST, "/keys", Some(body));
            let created = stage.disturbed(create).await;
            let list = keys(stage).await;
            if succeeded(&created) {
                assert_eq!(created.status, StatusCode::CREATED);
                assert_eq!(list.len(), 2);
                assert_eq!(list[1]["id"], created.data()["id"]);
            } else {
                // The key may have been stored, but nobody knows it.
                assert!(list.len() <= 2, "{list:?}");
            }
        })
        .await;
}

#[tokio::test]
async fn revoking_a_key_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("revoke a key").with_pairs();
    matrix
        .run(async |stage| {
            put(stage).await;
            let body = json!({"scope": "read"});
            let created = call(stage, Method::POST, "/keys", Some(body)).await;
            let path = format!("/keys/{}", created.data()["id"].as_str().unwrap());
            let revoke = || call(stage, Method::DELETE, &path, None);
            let revoked = stage.disturbed(revoke()).await;
            if !succeeded(&revoked) {
                let again = revoke().await;
                if again.status != StatusCode::NO_CONTENT {
                    again.must_fail_with(404, "NOT_FOUND");
                }
            }
            assert_eq!(keys(stage).await.len(), 1);
        })
        .await;
}

async fn sessions(stage: &Stage) -> usize {
    let items = stage.app.aws.items().await;
    items.iter().filter(|item| is_session(item)).count()
}

fn is_session(item: &HashMap<String, AttributeValue>) -> bool {
    item["pk"].as_s().is_ok_and(|pk| pk.starts_with("SESSION#"))
}

/// Lists the app's endpoints with a session's token.
async fn list_with(stage: &Stage, session: &Answer) -> Answer {
    let path = format!("/apps/{}/webhooks", stage.app.app_id);
    let token = session.data()["token"].as_str().unwrap();
    let request = stage.app.api.bare(Method::GET, &path);
    answer(request.bearer_auth(token)).await
}

async fn create_session(stage: &Stage) -> Answer {
    call(stage, Method::POST, "/portal-sessions", None).await
}

#[tokio::test]
async fn creating_a_session_succeeds_or_leaves_one_that_expires() {
    let matrix = Matrix::of("create a portal session").with_pairs();
    matrix
        .run(async |stage| {
            put(stage).await;
            let created = stage.disturbed(create_session(stage)).await;
            if succeeded(&created) {
                assert_eq!(created.status, StatusCode::CREATED);
                assert_eq!(sessions(stage).await, 1);
                assert_eq!(list_with(stage, &created).await.status, StatusCode::OK);
            } else {
                // The session may have been stored, but nobody knows its token.
                assert!(sessions(stage).await <= 1);
            }
        })
        .await;
}

#[tokio::test]
async fn revoking_a_session_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("revoke a portal session").with_pairs();
    matrix
        .run(async |stage| {
            put(stage).await;
            let created = create_session(stage).await;
            let path = format!(
                "/portal-sessions/{}",
                created.data()["id"].as_str().unwrap()
            );
            let revoke = || call(stage, Method::DELETE, &path, None);
            let revoked = stage.disturbed(revoke()).await;
            if !succeeded(&revoked) {
                let again = revoke().await;
                if again.status != StatusCode::NO_CONTENT {
                    again.must_fail_with(404, "NOT_FOUND");
                }
            }
            let refused = list_with(stage, &created).await;
            refused.must_fail_with(401, "AUTHENTICATION_ERROR");
        })
        .await;
}

#[tokio::test]
async fn authenticating_a_session_can_be_retried() {
    let matrix = Matrix::of("look at the caller's own key");
    matrix
        .run(async |stage| {
            put(stage).await;
            let created = create_session(stage).await;
            let look = || async {
                let token = created.data()["token"].as_str().unwrap();
                let request = stage.app.api.bare(Method::GET, "/key");
                answer(request.bearer_auth(token)).await
            };
            let looked = stage.disturbed(look()).await;
            if !succeeded(&looked) {
                assert_eq!(look().await.data()["kind"], "session");
            }
        })
        .await;
}

/// Finishes the app's deletion, and asserts that it leaves only items that expire.
async fn must_be_deleted(stage: &Stage) {
    stage.handle_all_visible().await;
    stage.clock.advance(MARKED_FOR);
    let deletion = AppDeletion {
        app_id: stage.app.app_id,
    };
    let message = Message::DeleteApp(deletion).to_json().unwrap();
    stage.app.queue.must_handle(message).await;
    stage.handle_all_visible().await;
    assert!(stage.app.aws.secret_names().await.is_empty());
    let mut items = stage.app.aws.items().await;
    items.retain(|item| {
        let pk = item["pk"].as_s().unwrap();
        let expires = item.contains_key(attribute::EXPIRES_AT) && !is_session(item);
        !pk.starts_with("PLATFORM#") && !expires
    });
    assert!(items.is_empty(), "{items:#?}");
}

#[tokio::test]
async fn deleting_an_app_succeeds_or_can_be_retried() {
    let matrix = Matrix::of("delete an app").with_pairs().leaving_nothing();
    matrix
        .run(async |stage| {
            put(stage).await;
            let delete = || call(stage, Method::DELETE, "", None);
            let deleted = stage.disturbed(delete()).await;
            if !succeeded(&deleted) {
                assert_eq!(delete().await.status, StatusCode::ACCEPTED);
            }
            let refused = stage.app.api.get("").await;
            refused.must_fail_with(401, "AUTHENTICATION_ERROR");
            must_be_deleted(stage).await;
        })
        .await;
}

#[tokio::test]
async fn every_step_of_an_app_deletion_can_be_repeated() {
    let matrix = Matrix::of("go on with the deletion of an app").leaving_nothing();
    matrix
        .run(async |stage| {
            put(stage).await;
            let session = create_session(stage).await;
            stage.publish().await;
            stage.drain().await;
            stage.forget_arrivals();
            let deleted = call(stage, Method::DELETE, "", None).await;
            assert_eq!(deleted.status, StatusCode::ACCEPTED);
            let refused = list_with(stage, &session).await;
            refused.must_fail_with(401, "AUTHENTICATION_ERROR");
            stage.handle_disturbed().await;
            must_be_deleted(stage).await;
        })
        .await;
}
