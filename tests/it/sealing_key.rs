//! The key pair that secrets are sealed to.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use reqwest::StatusCode;
use webhook_endpoints::aws::StoreError;
use webhook_endpoints::aws::table::{NextSecrets, SetSecret, attribute};
use webhook_endpoints::domain::endpoint::SecretVersion;
use webhook_endpoints::domain::id::SealingKeyId;
use webhook_endpoints::domain::sealing::{SealedSecret, SealingKey};
use webhook_endpoints::domain::secret::{KeptSecret, SecretPlace, SecretStorage};
use webhook_endpoints::domain::signing::SigningSecret;
use webhook_endpoints::operator::moves::{self, Event, MoveError};
use webhook_endpoints::operator::sweep::{self, Cause};

use crate::support::queue::{attempt_message, endpoint_id, message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::sealing::{
    HOUR, cold_ping, is_sealed, must_sign_with, now, operator, overlap, rotate, sealing,
};
use crate::support::wire::Fault;

#[tokio::test]
async fn processes_that_make_the_first_key_concurrently_agree_on_one() {
    for _ in 0..5 {
        let app = sealing().await;
        let receiver = Receiver::answering(200, "").await;
        let mut apis = Vec::new();
        for _ in 0..4 {
            apis.push(app.another_api(SecretStorage::Sealed).await);
        }
        // All of them see that there is no key before one of them makes it.
        app.aws
            .wire
            .disturb(|call| (call == "GetItem").then_some(Fault::Slow));
        let created = join_all(apis.iter().map(|api| api.create_webhook(&receiver.url))).await;
        app.aws.wire.mend();
        for (id, secret) in &created {
            must_sign_with(&app, &receiver, id, secret).await;
        }
        let made = app.aws.private_key_names().await;
        let stores = operator(&app);
        let found = sweep::find(&stores, HOUR, now() + 2 * HOUR).await.unwrap();
        assert_eq!(found.found.len(), made.len() - 1);
        assert_eq!(found.doubt, None);
        for found in &found.found {
            assert_eq!(found.cause, Cause::UnusedKey);
            sweep::remove(&stores, found, now() + 2 * HOUR)
                .await
                .unwrap();
        }
        let current = stores.table.sealing_key().await.unwrap().unwrap();
        let current = format!("webhook-endpoints/sealing.{}", current.key.id);
        assert_eq!(app.aws.private_key_names().await, [current]);
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        must_sign_with(&app, &receiver, &id, &secret).await;
        if made.len() > 1 {
            return;
        }
    }
    panic!("no two processes made a key at the same time");
}

#[tokio::test]
async fn replaced_keys_are_removed_once_nothing_is_sealed_to_them() {
    let app = sealing().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let (other, others) = per_endpoint.create_webhook(&receiver.url).await;
    let old = app.aws.private_key_names().await;
    let stores = operator(&app);
    let rotated = moves::rotate_sealing_key(&stores, now(), |_| {})
        .await
        .unwrap();
    assert!(rotated.retired && !rotated.resumed, "{rotated:?}");
    assert_eq!((rotated.summary.endpoints, rotated.summary.moved), (2, 1));
    assert!(!is_sealed(&app, &other).await);
    let new = app.aws.private_key_names().await;
    assert_eq!(new, [format!("webhook-endpoints/sealing.{}", rotated.key)]);
    assert_ne!(new, old);
    must_sign_with(&app, &receiver, &id, &secret).await;
    must_sign_with(&app, &receiver, &other, &others).await;
    // The API has still cached the old key.
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    must_sign_with(&app, &receiver, &id, &secret).await;
    assert_eq!(app.aws.private_key_names().await, new);
}

#[tokio::test]
async fn operators_can_make_the_first_key() {
    let app = sealing().await;
    let stores = operator(&app);
    let first = moves::rotate_sealing_key(&stores, now(), |_| {})
        .await
        .unwrap();
    assert_eq!((first.replaced, first.retired), (None, false));
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    must_sign_with(&app, &receiver, &id, &secret).await;
    assert_eq!(app.aws.private_key_names().await.len(), 1);
}

#[tokio::test]
async fn interrupted_key_rotations_resume_with_the_same_key() {
    // The second update ends the replacement.
    for (call, first) in [
        ("Scan", 1),
        ("TransactWriteItems", 1),
        ("DeleteSecret", 1),
        ("UpdateItem", 2),
    ] {
        for fault in [Fault::Before, Fault::After] {
            let app = sealing().await;
            let receiver = Receiver::answering(200, "").await;
            let (id, secret) = app.api.create_webhook(&receiver.url).await;
            let stores = operator(&app);
            app.aws.wire.break_from(call, first, fault);
            let broken = moves::rotate_sealing_key(&stores, now(), |_| {}).await;
            app.aws.wire.mend();
            assert!(
                broken.is_err() || !broken.unwrap().retired,
                "{call} {fault:?}"
            );
            must_sign_with(&app, &receiver, &id, &secret).await;
            let begun = stores.table.sealing_key().await.unwrap().unwrap();

            let stores = operator(&app);
            let rotated = moves::rotate_sealing_key(&stores, now(), |_| {})
                .await
                .unwrap();
            assert!(rotated.retired, "{call} {fault:?}");
            // If only its last answer was lost, the first rotation is complete.
            let is_same = rotated.key == begun.key.id;
            assert_eq!(is_same, begun.replaces.is_some(), "{call} {fault:?}");
            assert_eq!(rotated.resumed, is_same);
            must_sign_with(&app, &receiver, &id, &secret).await;
            assert_eq!(app.aws.private_key_names().await.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_rotations_race_creations_rotations_and_deletions() {
    let app = sealing().await;
    let receiver = Receiver::answering(200, "").await;
    let (kept, kept_secret) = app.api.create_webhook(&receiver.url).await;
    let done = AtomicBool::new(false);
    let changing = |mut id: String, mut secret: String| {
        let (app, done) = (&app, &done);
        let url = &receiver.url;
        async move {
            let mut previous = None;
            for turn in 0.. {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                if turn % 3 == 2 {
                    let deleted = app.api.delete(&format!("/{id}")).await;
                    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
                    (id, secret) = app.api.create_webhook(url).await;
                    previous = None;
                } else {
                    previous = Some(secret);
                    secret = overlap(&app.api, &id).await;
                }
            }
            (id, [Some(secret), previous])
        }
    };
    let mut starts = Vec::new();
    for _ in 0..4 {
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        starts.push(changing(id, secret));
    }
    let replacing = async {
        for _ in 0..5 {
            let stores = operator(&app);
            let rotated = moves::rotate_sealing_key(&stores, now(), |_| {})
                .await
                .unwrap();
            assert!(rotated.retired, "{rotated:?}");
        }
        done.store(true, Ordering::SeqCst);
    };
    let (endpoints, ()) = tokio::join!(join_all(starts), replacing);
    must_sign_with(&app, &receiver, &kept, &kept_secret).await;
    for (id, secrets) in &endpoints {
        let secrets: Vec<_> = secrets.iter().flatten().map(String::as_str).collect();
        let arrived = cold_ping(&app, &receiver, id).await;
        assert_eq!(arrived.signers(&secrets), secrets);
    }
    assert_eq!(app.aws.private_key_names().await.len(), 1);
}

#[tokio::test]
async fn messages_are_returned_while_the_private_key_is_missing() {
    let app = sealing().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let name = app.aws.private_key_names().await.remove(0);
    app.aws.remove_private_key(&name).await;
    let ping = message(Some("ping"), attempt_message(&ping_of(&app, &id)));
    let back = app.queue.handle([ping.clone()]).await;
    assert_eq!(back, Ok(vec!["ping".to_owned()]));
    assert!(receiver.received().is_empty());
    app.aws.restore_secret(&name).await;
    assert_eq!(app.queue.handle([ping]).await, Ok(Vec::new()));
    assert!(receiver.must_receive_one().is_signed_with(&secret));
}

#[tokio::test]
async fn rotations_replace_secrets_whose_private_key_is_lost() {
    let app = sealing().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let name = app.aws.private_key_names().await.remove(0);
    app.aws.remove_private_key(&name).await;
    let stores = operator(&app);
    let mut failed = Vec::new();
    let note = |event| {
        if let Event::Failed(endpoint, error) = event {
            failed.push((endpoint.endpoint_id.to_string(), error));
        }
    };
    let rotated = moves::rotate_sealing_key(&stores, now(), note)
        .await
        .unwrap();
    assert!(!rotated.retired, "{rotated:?}");
    let [(failed, MoveError::NoSecret)] = failed.as_slice() else {
        panic!("{failed:?}");
    };
    assert_eq!(*failed, id);
    // The new key is current already, so it is enough to rotate the secret.
    let secret = rotate(&app.api, &id).await;
    must_sign_with(&app, &receiver, &id, &secret).await;
    let stores = operator(&app);
    let resumed = moves::rotate_sealing_key(&stores, now(), |_| {})
        .await
        .unwrap();
    assert_eq!((resumed.key, resumed.retired), (rotated.key, true));
}

#[tokio::test]
async fn keys_are_kept_while_an_unreadable_item_names_them() {
    let app = sealing().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws
        .set_endpoint(&id, &[(attribute::URL, "broken")])
        .await;
    let stores = operator(&app);
    let rotated = moves::rotate_sealing_key(&stores, now(), |_| {})
        .await
        .unwrap();
    assert_eq!((rotated.summary.unreadable, rotated.retired), (1, false));
    assert_eq!(app.aws.private_key_names().await.len(), 2);
    let later = now() + 2 * HOUR;
    assert!(
        sweep::find(&stores, HOUR, later)
            .await
            .unwrap()
            .found
            .is_empty()
    );
}

#[tokio::test]
async fn private_keys_of_other_tables_are_never_swept() {
    let app = sealing().await;
    app.api.create_webhook("https://example.com/hook").await;
    // A stack with the same prefix and another table.
    let name = SealingKeyId::new();
    let create = app.aws.clients.secrets.create_secret();
    let create = create.name(format!("webhook-endpoints/sealing.{name}"));
    create.secret_string("whsk_").send().await.unwrap();
    let found = sweep::find(&operator(&app), HOUR, now() + 2 * HOUR).await;
    assert!(found.unwrap().found.is_empty());
}

#[tokio::test]
async fn secrets_sealed_to_a_replaced_key_are_not_written() -> Result<(), StoreError> {
    let app = sealing().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let key = app.aws.endpoint_key(endpoint_id(&id));
    let table = app.aws.table();
    let endpoint = table.endpoint(key).await?.unwrap();
    let (stale, _) = SealingKey::generate().unwrap();
    let version = SecretVersion::random();
    let secret = SigningSecret::generate(&mut rand::rng());
    let sealed: SealedSecret = stale.seal(key, &version, &secret).unwrap();
    let next = NextSecrets {
        current: KeptSecret {
            version: endpoint.secret.version.clone(),
            place: SecretPlace::Sealed(sealed),
        },
        previous: None,
        headers: None,
        sealed_to: Some(stale.id),
    };
    let set = table.move_secrets(&endpoint, &next).await?;
    assert_eq!(set, SetSecret::KeyReplaced);
    assert_eq!(table.endpoint(key).await?, Some(endpoint));
    Ok(())
}
