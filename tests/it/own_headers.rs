//! An endpoint's own headers, which its deliveries carry in addition to the service's.

use axum::response::IntoResponse;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::operator::moves;

use crate::support::log;
use crate::support::receiver::Receiver;
use crate::support::sealing::{cold_ping, migrate, must_sign_with, now, operator, rotate};
use crate::support::{Options, STORAGES, TestApp, answer};

const BASIC: &str = "Basic dXNlcjpwYXNzd29yZA==";

async fn app_with(storage: SecretStorage) -> TestApp {
    TestApp::start_with(Options::stepwise().with_storage(storage)).await
}

/// Creates an endpoint with these headers. Returns its id and secret.
async fn create_with(app: &TestApp, url: &str, headers: &Value) -> (String, String) {
    let body = json!({"url": url, "events": ["*"], "headers": headers});
    let created = app.api.post_json("", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let text = |field: &str| created.data()[field].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

async fn put(app: &TestApp, id: &str, body: &Value) {
    let put = app.api.put_json(&format!("/{id}"), body).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
}

async fn header_names(app: &TestApp, id: &str) -> Value {
    let shown = app.api.get(&format!("/{id}")).await;
    let listed = app.api.get("?view=full").await;
    let mut listed = listed.data().as_array().unwrap().iter();
    assert_eq!(listed.find(|item| item["id"] == *id), Some(shown.data()));
    shown.data()["headerNames"].clone()
}

/// Asserts that a cold process and a warm one send this `Authorization` header, or none.
async fn must_authorize_with(app: &TestApp, receiver: &Receiver, id: &str, expected: Option<&str>) {
    let cold = cold_ping(app, receiver, id).await;
    app.api.must_publish("invoice.paid").await;
    let queued = app.queue.queued().await;
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    let warm = receiver.received().pop().unwrap();
    assert_ne!(warm.header("webhook-id"), cold.header("webhook-id"));
    for arrived in [cold, warm] {
        let sent = arrived.headers.get("authorization");
        assert_eq!(sent.map(|value| value.to_str().unwrap()), expected);
    }
}

#[tokio::test]
async fn pings_and_events_carry_the_headers_of_their_endpoint() {
    for storage in STORAGES {
        let app = app_with(storage).await;
        let receiver = Receiver::answering(200, "").await;
        let headers = json!({"Authorization": BASIC, "X-Odd": "a: b\t\"c\""});
        let (id, secret) = create_with(&app, &receiver.url, &headers).await;
        assert_eq!(
            header_names(&app, &id).await,
            json!(["Authorization", "X-Odd"])
        );
        must_authorize_with(&app, &receiver, &id, Some(BASIC)).await;
        must_sign_with(&app, &receiver, &id, &secret).await;
        let arrived = receiver.received().pop().unwrap();
        assert_eq!(arrived.header("x-odd"), "a: b\t\"c\"");
        assert_eq!(arrived.header("content-type"), "application/json");

        put(
            &app,
            &id,
            &json!({"headers": {"authorization": "Bearer t"}}),
        )
        .await;
        assert_eq!(header_names(&app, &id).await, json!(["authorization"]));
        must_authorize_with(&app, &receiver, &id, Some("Bearer t")).await;
        assert!(
            !receiver
                .received()
                .pop()
                .unwrap()
                .headers
                .contains_key("x-odd")
        );
        // Other changes and rotations keep the headers.
        put(&app, &id, &json!({"events": ["*"], "active": true})).await;
        rotate(&app.api, &id).await;
        must_authorize_with(&app, &receiver, &id, Some("Bearer t")).await;
        for none in [json!(null), json!({})] {
            put(&app, &id, &json!({"headers": {"Authorization": BASIC}})).await;
            must_authorize_with(&app, &receiver, &id, Some(BASIC)).await;
            put(&app, &id, &json!({ "headers": none })).await;
            assert_eq!(header_names(&app, &id).await, json!([]));
            must_authorize_with(&app, &receiver, &id, None).await;
        }
        assert!(!app.aws.any_item_has(attribute::HEADERS).await);
    }
}

#[tokio::test]
async fn empty_headers_count_as_none() {
    for storage in STORAGES {
        let app = app_with(storage).await;
        let keys = app.aws.private_key_names().await;
        for none in [json!(null), json!({})] {
            let (id, _) = create_with(&app, "https://example.com/hook", &none).await;
            assert_eq!(header_names(&app, &id).await, json!([]));
        }
        if storage == SecretStorage::PerEndpoint {
            // Nothing is sealed, so no key is created.
            assert_eq!(app.aws.private_key_names().await, keys);
        }
    }
}

#[tokio::test]
async fn invalid_headers_are_refused_and_change_nothing() {
    let app = app_with(SecretStorage::PerEndpoint).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.take();
    for (headers, fields) in [
        (json!("x"), &["headers"][..]),
        (json!({"Host": "hidden"}), &["headers.Host"]),
        (json!({"Webhook-Id": "hidden"}), &["headers.Webhook-Id"]),
        (json!({"a": "hidden\r\nb: c"}), &["headers.a"]),
        (json!({"hidden name": "hidden"}), &["headers"]),
        (json!({"a": "hidden", "A": "hidden"}), &["headers.a"]),
        (
            json!({"te": "hidden", "b": 1}),
            &["headers.b", "headers.te"],
        ),
    ] {
        let create =
            json!({"url": "https://example.com/hook", "events": ["*"], "headers": headers});
        let update = json!({ "headers": headers });
        for refused in [
            app.api.post_json("", &create).await,
            app.api.put_json(&format!("/{id}"), &update).await,
        ] {
            refused.must_be_invalid(fields);
            assert!(!refused.body.to_string().contains("hidden"), "{refused:?}");
        }
    }
    assert!(app.aws.wire.take().is_empty());
    // The error for a URL with credentials recommends this field.
    let body = json!({"url": "https://user:password@example.com/", "events": ["*"]});
    let refused = app.api.post_json("", &body).await;
    refused.must_be_invalid(&["url"]);
    assert!(
        refused.body.to_string().contains("`headers`"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn urls_change_only_together_with_the_headers() {
    for storage in STORAGES {
        let app = app_with(storage).await;
        let receiver = Receiver::answering(200, "").await;
        let elsewhere = Receiver::answering(200, "").await;
        let headers = json!({"Authorization": BASIC});
        let (id, _) = create_with(&app, &receiver.url, &headers).await;
        let path = format!("/{id}");
        let moved = json!({"url": elsewhere.url, "active": true});
        let refused = app.api.put_json(&path, &moved).await;
        refused.must_be_invalid(&["headers"]);
        must_authorize_with(&app, &receiver, &id, Some(BASIC)).await;
        assert!(elsewhere.received().is_empty());
        // The response of GET can be put back.
        let shown = app.api.get(&path).await;
        put(&app, &id, shown.data()).await;
        must_authorize_with(&app, &receiver, &id, Some(BASIC)).await;

        let moved = json!({"url": elsewhere.url, "headers": {"Authorization": "Bearer t"}});
        put(&app, &id, &moved).await;
        must_authorize_with(&app, &elsewhere, &id, Some("Bearer t")).await;
        put(&app, &id, &json!({"url": receiver.url, "headers": null})).await;
        must_authorize_with(&app, &receiver, &id, None).await;
        put(&app, &id, &json!({"url": elsewhere.url})).await;
        app.api.delete(&path).await;
        let missing = app.api.put_json(&path, &json!({"url": receiver.url})).await;
        missing.must_fail_with(404, "NOT_FOUND");
        let missing = app
            .api
            .put_json(&path, &json!({ "headers": headers }))
            .await;
        missing.must_fail_with(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn headers_cost_a_transaction_and_no_call_per_attempt() {
    for storage in STORAGES {
        let app = app_with(storage).await;
        let receiver = Receiver::answering(200, "").await;
        let headers = json!({"Authorization": BASIC});
        let (id, _) = create_with(&app, &receiver.url, &headers).await;
        cold_ping(&app, &receiver, &id).await;
        app.aws.wire.take();
        put(&app, &id, &json!({ "headers": headers })).await;
        assert_eq!(app.aws.wire.take(), ["GetItem", "TransactWriteItems"]);
        put(&app, &id, &json!({"headers": null})).await;
        assert_eq!(app.aws.wire.take(), ["UpdateItem"]);
        create_with(&app, &receiver.url, &headers).await;
        let made: &[&str] = match storage {
            SecretStorage::PerEndpoint => &["CreateSecret", "GetItem", "TransactWriteItems"],
            SecretStorage::Sealed => &["TransactWriteItems"],
        };
        assert_eq!(app.aws.wire.take(), made);

        put(&app, &id, &json!({ "headers": headers })).await;
        must_authorize_with(&app, &receiver, &id, Some(BASIC)).await;
        app.api.ping_preferring(&id, "respond-async").await;
        let queued = app.queue.queued().await;
        app.aws.wire.take();
        assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
        assert_eq!(app.aws.wire.take(), ["BatchGetItem", "UpdateItem"]);
    }
}

#[tokio::test]
async fn migrations_and_key_replacements_keep_the_headers() {
    for storage in STORAGES {
        let app = app_with(storage).await;
        let receiver = Receiver::answering(200, "").await;
        let headers = json!({"Authorization": BASIC});
        let (id, _) = create_with(&app, &receiver.url, &headers).await;
        let before = app.api.get(&format!("/{id}")).await;
        for to in STORAGES.repeat(2) {
            migrate(&app, to).await;
            let stores = operator(&app);
            let replaced = moves::rotate_sealing_key(&stores, now(), |_| {}).await;
            let replaced = replaced.unwrap();
            assert!(replaced.retired, "{replaced:?}");
            assert_eq!((replaced.summary.moved, replaced.summary.failed), (1, 0));
            let kept = format!("webhook-endpoints/sealing.{}", replaced.key);
            assert_eq!(app.aws.private_key_names().await, [kept]);
            must_authorize_with(&app, &receiver, &id, Some(BASIC)).await;
        }
        let after = app.api.get(&format!("/{id}")).await;
        assert_eq!(after.data()["updatedAt"], before.data()["updatedAt"]);
        // The API has still cached the first key.
        put(
            &app,
            &id,
            &json!({"headers": {"Authorization": "Bearer t"}}),
        )
        .await;
        must_authorize_with(&app, &receiver, &id, Some("Bearer t")).await;
    }
}

#[tokio::test]
async fn headers_copied_to_another_item_are_not_sent() {
    let app = app_with(SecretStorage::Sealed).await;
    let receiver = Receiver::answering(200, "").await;
    let headers = json!({"Authorization": BASIC});
    let (victim, _) = create_with(&app, "https://example.com/hook", &headers).await;
    let (thief, _) = app.api.create_webhook(&receiver.url).await;
    let items = app.aws.items().await;
    let of = |id: &str| {
        let mut items = items.iter();
        let item = items.find(|item| item["sk"].as_s() == Ok(&format!("E#{id}")));
        item.unwrap().clone()
    };
    let mut changed = of(&thief);
    let copied = of(&victim)[attribute::HEADERS].clone();
    changed.insert(attribute::HEADERS.to_owned(), copied);
    let put = app.aws.clients.dynamodb.put_item();
    let put = put.table_name(&app.aws.resources.table_name);
    put.set_item(Some(changed)).send().await.unwrap();
    app.api.ping_preferring(&thief, "respond-async").await;
    let queued = app.queue.queued().await;
    let back = app.queue.handle(queued).await;
    assert_eq!(back.unwrap().len(), 1);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn header_values_never_reach_answers_tables_messages_or_logs() {
    for storage in STORAGES {
        log::start();
        let app = app_with(storage).await;
        // This receiver echoes the header.
        let receiver = Receiver::responding(|received| {
            let sent = received.headers["authorization"].to_str().unwrap();
            format!("hello {sent}").into_response()
        });
        let receiver = receiver.await;
        let value = "Bearer a-token-that-nobody-may-see";
        let headers = json!({ "Authorization": value });
        let (id, _) = create_with(&app, &receiver.url, &headers).await;
        let path = format!("/{id}");
        must_authorize_with(&app, &receiver, &id, Some(value)).await;
        let delivery = app.api.deliveries(&id).await.remove(0);
        let delivery = delivery["id"].as_str().unwrap();
        let detail = app.api.delivery(&id, delivery).await;
        assert_eq!(detail["attemptLog"][0]["responseBody"], "hello [removed]");
        let mut texts = vec![app.aws.table_text().await, detail.to_string()];
        for answer in [
            app.api.get("?view=full").await,
            app.api.get(&path).await,
            app.api
                .put_json(&path, &json!({ "headers": headers }))
                .await,
            app.api.get(&format!("{path}/deliveries")).await,
        ] {
            texts.push(format!("{answer:?}"));
        }
        let ping = app.api.ping_preferring(&id, "respond-async").await;
        assert_eq!(ping.status, StatusCode::ACCEPTED);
        texts.push(format!("{:?}", app.queue.queued().await));
        // Refused bodies are not logged either.
        let refused = json!({"headers": {"Host": value}});
        app.api
            .put_json(&path, &refused)
            .await
            .must_be_invalid(&["headers.Host"]);
        let broken = app.api.request(Method::PUT, &path);
        let broken = broken.header("content-type", "application/json");
        let broken = broken.body(format!(r#"{{"headers": {{"a": "{value}"}}"#));
        answer(broken).await.must_be_invalid(&["body"]);
        texts.push(log::text());
        for text in texts {
            assert!(!text.contains("a-token-that-nobody"), "{text}");
        }
    }
}
