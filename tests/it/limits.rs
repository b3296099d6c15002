//! The limit on endpoints per app.

use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::support::TestApp;
use crate::support::calls::{Ids, call_named};
use crate::support::wire::Fault;

#[tokio::test]
async fn apps_have_at_most_100_endpoints() {
    let app = TestApp::start().await;
    let ids = app.api.create_webhooks(100).await;
    assert_eq!(app.api.listed_ids().await.len(), 100);

    app.aws.wire.take();
    let refused = app.api.try_create().await;
    refused.must_fail_with(409, "CONFLICT");
    // It is refused before its secret is stored.
    let calls = app.aws.wire.take();
    assert!(calls.iter().all(|call| call == "GetItem"), "{calls:?}");
    assert_eq!(app.api.listed_ids().await.len(), 100);
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let secrets = app.aws.secret_names().await;
    assert_eq!(secrets, app.aws.secret_names_of(&ids));

    // The limit is per app.
    let (other_app, key) = app.other_app().await;
    let create = call_named("createWebhook", &Ids::unknown());
    let created = app
        .api
        .call_as(other_app, Some(key.expose()), &create)
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
}

#[tokio::test]
async fn each_deletion_makes_room_for_one_endpoint() {
    let app = TestApp::start().await;
    let ids = app.api.create_webhooks(100).await;
    for id in &ids[..2] {
        let deleted = app.api.delete(&format!("/{id}")).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        // Deleting it a second time makes no room.
        let again = app.api.delete(&format!("/{id}")).await;
        again.must_fail_with(404, "NOT_FOUND");
    }
    for _ in 0..2 {
        assert_eq!(app.api.try_create().await.status, StatusCode::CREATED);
    }
    app.api.try_create().await.must_fail_with(409, "CONFLICT");
}

#[tokio::test]
async fn concurrent_creations_fill_only_the_last_free_place() {
    let app = TestApp::start().await;
    app.api.create_webhooks(99).await;
    let answers = join_all((0..10).map(|_| app.api.try_create())).await;
    let (created, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(created.len(), 1, "{answers:?}");
    for answer in refused {
        answer.must_fail_with(409, "CONFLICT");
    }
    assert_eq!(app.api.listed_ids().await.len(), 100);
    assert_eq!(app.aws.secret_names().await.len(), 100);
}

#[tokio::test]
async fn concurrent_deletions_of_an_endpoint_make_room_once() {
    let app = TestApp::start().await;
    let ids = app.api.create_webhooks(100).await;
    let path = format!("/{}", ids[0]);
    let (one, other) = tokio::join!(app.api.delete(&path), app.api.delete(&path));
    for answer in [&one, &other] {
        let gone = [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND];
        assert!(gone.contains(&answer.status), "{answer:?}");
    }
    assert_eq!(app.api.try_create().await.status, StatusCode::CREATED);
    app.api.try_create().await.must_fail_with(409, "CONFLICT");
}

#[tokio::test]
async fn creation_over_the_limit_conflicts_even_if_cleanup_fails() {
    let app = TestApp::start().await;
    app.api.create_webhooks(100).await;
    // Answer the read of the app's count as if the app were not full yet.
    app.aws.wire.disturb(|call| match call {
        "GetItem" => Some(Fault::Answered("{}")),
        "DeleteSecret" => Some(Fault::Before),
        _ => None,
    });
    app.api.try_create().await.must_fail_with(409, "CONFLICT");
    app.aws.wire.mend();
    assert_eq!(app.aws.secret_names().await.len(), 101);
}
