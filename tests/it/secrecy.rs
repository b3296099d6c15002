//! Where secrets and keys appear, and where they must not.

use reqwest::{Method, StatusCode};
use serde_json::json;
use webhook_endpoints::domain::secret::SecretStorage;

use crate::support::log;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, STORAGES, TestApp, answer};

/// Asserts that a text contains none of the secrets, no API key and no private key.
#[track_caller]
fn assert_clean(text: &str, secrets: &[String], app: &TestApp) {
    assert!(!text.contains("whsec_"), "{text}");
    assert!(!text.contains("whsk_"), "{text}");
    for secret in secrets {
        let raw = secret.strip_prefix("whsec_").unwrap();
        assert!(!text.contains(raw), "{text}");
    }
    assert!(!text.contains(app.key.expose()), "{text}");
}

#[tokio::test]
async fn table_contains_no_secrets_or_keys() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "thank you").await;
        let (id, first) = app.api.create_webhook(&receiver.url).await;
        app.api.ping(&id).await;
        let rotated = app.api.post(&format!("/{id}/rotate-secret")).await;
        let second = rotated.data()["secret"].as_str().unwrap().to_owned();
        app.api.ping(&id).await;
        app.api
            .put_json(&format!("/{id}"), &json!({"active": false}))
            .await;

        let table = app.aws.table_text().await;
        // The text does include the endpoint and both deliveries.
        assert!(table.contains(&id) && table.contains("thank you"));
        assert_clean(&table, &[first, second], &app);
    }
}

#[tokio::test]
async fn messages_contain_no_secrets_or_keys() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::idle().with_storage(storage)).await;
        let (id, secret) = app.api.create_webhook("https://example.com/hook").await;
        let ping = app.api.ping_preferring(&id, "respond-async").await;
        assert_eq!(ping.status, StatusCode::ACCEPTED);

        let received = app
            .aws
            .clients
            .sqs
            .receive_message()
            .queue_url(&app.aws.resources.queue_url)
            .send()
            .await
            .unwrap();
        let messages = received.messages();
        assert_eq!(messages.len(), 1);
        let text = format!("{messages:?}");
        assert!(text.contains(&id));
        assert_clean(&text, &[secret], &app);
    }
}

#[tokio::test]
async fn log_contains_no_secrets_or_keys() {
    for storage in STORAGES {
        log::start();
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, first) = app.api.create_webhook(&receiver.url).await;
        app.api.ping(&id).await;
        let rotated = app.api.post(&format!("/{id}/rotate-secret")).await;
        let second = rotated.data()["secret"].as_str().unwrap().to_owned();
        let (broken, named): (&'static [&'static str], _) = match storage {
            SecretStorage::PerEndpoint => (&["CreateSecret", "PutSecretValue"], "PutSecretValue"),
            SecretStorage::Sealed => (&["TransactWriteItems"], "TransactWriteItems"),
        };
        app.aws.wire.break_calls(
            broken,
            Fault::Refused(r#"{"__type": "AccessDeniedException"}"#),
        );
        let failed = app.api.post(&format!("/{id}/rotate-secret")).await;
        failed.must_fail_with(500, "INTERNAL_ERROR");
        let refused = app.api.try_create().await;
        refused.must_fail_with(500, "INTERNAL_ERROR");
        // A key in the wrong place must not be logged.
        let key = app.key.expose();
        let misplaced = format!("/apps/{key}/webhooks?key={key}");
        answer(app.api.bare(Method::GET, &misplaced)).await;

        // The log does include requests and errors. (The lines of attempts are metrics.)
        let own = log::lines_with(&id);
        let answered = own.iter().any(|line| line.contains("response"));
        assert!(answered, "{own:#?}");
        let failed = own
            .iter()
            .any(|line| line.contains(named) && line.contains("failed"));
        assert!(failed, "{own:#?}");
        assert_clean(&log::text(), &[first, second], &app);
    }
}

#[tokio::test]
async fn secrets_are_returned_only_once() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        let secrets = [secret];
        let path = format!("/{id}");
        let answers = [
            app.api.get("").await,
            app.api.get(&path).await,
            app.api.put_json(&path, &json!({"active": true})).await,
            app.api.post(&format!("/{id}/test-ping")).await,
            app.api.get(&format!("/{id}/deliveries")).await,
            app.api.delete(&path).await,
            app.api.get(&path).await,
        ];
        for answer in answers {
            assert_clean(&format!("{answer:?}"), &secrets, &app);
        }
        assert_clean(
            &format!("{:?}", receiver.must_receive_one()),
            &secrets,
            &app,
        );
    }
}

#[tokio::test]
async fn endpoints_have_one_secret_until_they_are_deleted() {
    let app = TestApp::start().await;
    let (first, _) = app.api.create_webhook("https://example.com/hook").await;
    let (second, _) = app.api.create_webhook("https://example.com/hook").await;
    app.api.post(&format!("/{first}/rotate-secret")).await;
    assert_eq!(
        app.aws.secret_names().await,
        app.aws.secret_names_of(&[&first, &second])
    );
    app.api.delete(&format!("/{first}")).await;
    assert_eq!(
        app.aws.secret_names().await,
        app.aws.secret_names_of(&[&second])
    );
    app.api.delete(&format!("/{second}")).await;
    assert!(app.aws.secret_names().await.is_empty());
}
