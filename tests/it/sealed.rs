//! Signing secrets that are sealed in their endpoints' items.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::sealing::PrivateKey;
use webhook_endpoints::domain::secret::{SecretPlace, SecretStorage};

use crate::support::queue::{attempt_message, endpoint_id, message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::sealing::{must_sign_with, rotate, sealing};

#[tokio::test]
async fn sealed_secrets_share_one_private_key_that_is_read_once() {
    let app = sealing().await;
    let receiver = Receiver::answering(200, "").await;
    let mut endpoints = Vec::new();
    for _ in 0..5 {
        endpoints.push(app.api.create_webhook(&receiver.url).await);
    }
    assert!(app.aws.secret_names().await.is_empty());
    assert_eq!(app.aws.private_key_names().await.len(), 1);
    app.aws.wire.take();
    for (id, secret) in &endpoints {
        must_sign_with(&app, &receiver, id, secret).await;
    }
    for (id, secret) in &mut endpoints {
        *secret = rotate(&app.api, id).await;
        must_sign_with(&app, &receiver, id, secret).await;
    }
    let calls = app.aws.wire.take();
    let reads = calls.iter().filter(|call| *call == "GetSecretValue");
    assert_eq!(reads.count(), 1, "{calls:?}");
    for (id, _) in &endpoints {
        app.api.delete(&format!("/{id}")).await;
    }
    assert_eq!(app.aws.private_key_names().await.len(), 1);
}

/// Every run of 32 bytes in the table's Base64 values. Any of them might be a key.
fn possible_keys(text: &str) -> BTreeSet<[u8; 32]> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
    let decoded = words.filter_map(|word| STANDARD.decode(word).ok());
    let windows = decoded.flat_map(|bytes| {
        let windows: Vec<[u8; 32]> = bytes
            .windows(32)
            .map(|window| window.try_into().unwrap())
            .collect();
        windows
    });
    windows.collect()
}

#[tokio::test]
async fn leaked_tables_reveal_no_secret() {
    let app = sealing().await;
    let mut secrets = Vec::new();
    for _ in 0..3 {
        secrets.push(app.api.create_webhook("https://example.com/hook").await);
    }
    let table = app.aws.table_text().await;
    let keys = possible_keys(&table);
    // The public key and parts of three sealed secrets.
    assert!(keys.len() > 3 * (1 + 32), "{}", keys.len());
    for (id, secret) in &secrets {
        let bytes = STANDARD.decode(&secret["whsec_".len()..]).unwrap();
        assert!(keys.iter().all(|key| key[..] != bytes[..]));
        let key = app.aws.endpoint_key(endpoint_id(id));
        let endpoint = app.aws.table().endpoint(key).await.unwrap().unwrap();
        let SecretPlace::Sealed(sealed) = &endpoint.secret.place else {
            panic!("{endpoint:?}");
        };
        let opens = |text: &str| {
            let key = PrivateKey::parse(text).unwrap();
            key.open(endpoint.key, &endpoint.secret.version, sealed)
                .is_ok()
        };
        for key in &keys {
            assert!(!opens(&format!("whsk_{}", STANDARD.encode(key))));
        }
        // The private key, which the table lacks, does open it.
        let name = app.aws.private_key_names().await.remove(0);
        let private = app.aws.clients.secrets.get_secret_value().secret_id(name);
        let private = private.send().await.unwrap();
        assert!(opens(private.secret_string().unwrap()));
    }
}

#[tokio::test]
async fn sealed_secrets_copied_to_another_item_sign_nothing() {
    let app = sealing().await;
    let receiver = Receiver::answering(200, "").await;
    let (victim, secret) = app.api.create_webhook(&receiver.url).await;
    let (other, _) = app.api.create_webhook(&receiver.url).await;
    let key = app.aws.endpoint_key(endpoint_id(&victim));
    let copied = app.aws.table().endpoint(key).await.unwrap().unwrap().secret;
    let SecretPlace::Sealed(sealed) = &copied.place else {
        panic!("{copied:?}");
    };
    let (sealed, version) = (sealed.as_str(), copied.version);
    app.aws
        .set_endpoint(
            &other,
            &[
                (attribute::SEALED_SECRET, sealed),
                (attribute::SECRET_VERSION, version.as_str()),
            ],
        )
        .await;
    let ping = message(Some("ping"), attempt_message(&ping_of(&app, &other)));
    let back = app.queue.handle([ping]).await;
    assert_eq!(back, Ok(vec!["ping".to_owned()]));
    assert!(receiver.received().is_empty());
    must_sign_with(&app, &receiver, &victim, &secret).await;
}

#[tokio::test]
async fn endpoints_work_and_are_deleted_in_either_storage_mode() {
    let app = sealing().await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let receiver = Receiver::answering(200, "").await;
    for (made_by, deleted_by) in [(&app.api, &per_endpoint), (&per_endpoint, &app.api)] {
        let (id, secret) = made_by.create_webhook(&receiver.url).await;
        must_sign_with(&app, &receiver, &id, &secret).await;
        let path = format!("/{id}");
        assert_eq!(
            deleted_by.delete(&path).await.status,
            StatusCode::NO_CONTENT
        );
        deleted_by.get(&path).await.must_fail_with(404, "NOT_FOUND");
        assert!(app.aws.secret_names().await.is_empty());
    }
    let count = app.aws.table().endpoint_count(app.app_id).await;
    assert_eq!(count.unwrap(), Some(0));
}
