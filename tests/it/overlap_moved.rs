//! Overlaps between secrets that are stored in different ways, or that move meanwhile.

use reqwest::StatusCode;
use serde_json::Value;
use webhook_endpoints::aws::StoreError;
use webhook_endpoints::aws::table::{NextSecrets, SetSecret};
use webhook_endpoints::domain::endpoint::{Endpoint, SecretVersion};
use webhook_endpoints::domain::secret::{KeptSecret, PreviousSecret, SecretPlace, SecretStorage};
use webhook_endpoints::domain::signing::SigningSecret;
use webhook_endpoints::operator::moves;
use webhook_endpoints::operator::sweep::{self, Cause};

use crate::support::hand_clock::HandClock;
use crate::support::queue::endpoint_id;
use crate::support::receiver::Receiver;
use crate::support::sealing::{
    HOUR, cold_ping, is_sealed, migrate, must_sign_with, now, operator, overlap, rotate, sealing,
};
use crate::support::{Options, STORAGES, TestApp};

/// Asserts that a cold process signs with these secrets, newest first.
async fn must_sign_with_each(app: &TestApp, receiver: &Receiver, id: &str, secrets: &[&str]) {
    let arrived = cold_ping(app, receiver, id).await;
    assert_eq!(arrived.signers(secrets), secrets);
}

/// Whether a secret of this endpoint is in Secrets Manager.
async fn is_stored(app: &TestApp, id: &str) -> bool {
    let names = app.aws.secret_names().await;
    names.contains(&app.aws.secret_names_of(&[id])[0])
}

/// An endpoint whose secret was rotated with an overlap, from one storage to another.
struct Rotated {
    app: TestApp,
    receiver: Receiver,
    id: String,
    new: String,
    old: String,
}

async fn rotated(from: SecretStorage, to: SecretStorage) -> Rotated {
    let app = TestApp::start_with(Options::stepwise().with_storage(to)).await;
    let receiver = Receiver::answering(200, "").await;
    let former = app.another_api(from).await;
    let (id, old) = former.create_webhook(&receiver.url).await;
    let new = overlap(&app.api, &id).await;
    assert_eq!(is_sealed(&app, &id).await, to == SecretStorage::Sealed);
    Rotated {
        app,
        receiver,
        id,
        new,
        old,
    }
}

#[tokio::test]
async fn both_secrets_sign_wherever_each_is_stored() {
    for from in STORAGES {
        for to in STORAGES {
            let it = rotated(from, to).await;
            must_sign_with_each(&it.app, &it.receiver, &it.id, &[&it.new, &it.old]).await;
            // A secret stays in Secrets Manager for as long as it signs.
            let needed = STORAGES[0];
            let is_needed = from == needed || to == needed;
            assert_eq!(is_stored(&it.app, &it.id).await, is_needed);
            let path = format!("/{}/previous-secret", it.id);
            let deleted = it.app.api.delete(&path).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT);
            assert_eq!(is_stored(&it.app, &it.id).await, to == needed);
            must_sign_with_each(&it.app, &it.receiver, &it.id, &[&it.new]).await;
        }
    }
}

#[tokio::test]
async fn next_rotation_removes_secrets_that_only_the_overlap_needed() {
    let it = rotated(SecretStorage::PerEndpoint, SecretStorage::Sealed).await;
    let newest = overlap(&it.app.api, &it.id).await;
    assert!(!is_stored(&it.app, &it.id).await);
    must_sign_with_each(&it.app, &it.receiver, &it.id, &[&newest, &it.new]).await;
}

#[tokio::test]
async fn endpoints_are_deleted_with_both_secrets() {
    for from in STORAGES {
        for to in STORAGES {
            let it = rotated(from, to).await;
            let path = format!("/{}", it.id);
            let deleted = it.app.api.delete(&path).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT);
            it.app.api.get(&path).await.must_fail_with(404, "NOT_FOUND");
            assert!(it.app.aws.secret_names().await.is_empty());
            let count = it.app.aws.table().endpoint_count(it.app.app_id).await;
            assert_eq!(count.unwrap(), Some(0));
        }
    }
}

#[tokio::test]
async fn migrations_keep_both_secrets() {
    for from in STORAGES {
        for to in STORAGES {
            let it = rotated(from, to).await;
            let before = it.app.api.get(&format!("/{}", it.id)).await;
            for goal in STORAGES.repeat(2) {
                migrate(&it.app, goal).await;
                assert_eq!(is_sealed(&it.app, &it.id).await, goal == STORAGES[1]);
                assert_eq!(is_stored(&it.app, &it.id).await, goal == STORAGES[0]);
                must_sign_with_each(&it.app, &it.receiver, &it.id, &[&it.new, &it.old]).await;
                // Everything has been moved already.
                assert_eq!(migrate(&it.app, goal).await.moved, 0);
            }
            // The app can't tell.
            let after = it.app.api.get(&format!("/{}", it.id)).await;
            assert_eq!(after.body, before.body);
        }
    }
}

#[tokio::test]
async fn replaced_keys_are_removed_after_resealing_previous_secrets() {
    for to in STORAGES {
        let it = rotated(SecretStorage::Sealed, to).await;
        let stores = operator(&it.app);
        let replaced = moves::rotate_sealing_key(&stores, now(), |_| {});
        let replaced = replaced.await.unwrap();
        assert!(replaced.retired, "{replaced:?}");
        assert_eq!((replaced.summary.moved, replaced.summary.failed), (1, 0));
        let kept = format!("webhook-endpoints/sealing.{}", replaced.key);
        assert_eq!(it.app.aws.private_key_names().await, [kept]);
        must_sign_with_each(&it.app, &it.receiver, &it.id, &[&it.new, &it.old]).await;
    }
}

#[tokio::test]
async fn rotations_never_copy_a_secret_resealed_since_it_was_read() -> Result<(), StoreError> {
    let app = sealing().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let (key, table) = (app.aws.endpoint_key(endpoint_id(&id)), app.aws.table());
    let found = table.endpoint(key).await?.unwrap();
    let stores = operator(&app);
    let replaced = moves::rotate_sealing_key(&stores, now(), |_| {}).await;
    assert!(replaced.unwrap().retired);
    let resealed = table.endpoint(key).await?.unwrap();
    let sealing_key = stores.sealing_keys.current(now()).await?;
    let secret = SigningSecret::generate(&mut rand::rng());
    let version = SecretVersion::random();
    let sealed = sealing_key.seal(key, &version, &secret).unwrap();
    let next = |previous: &Endpoint| NextSecrets {
        current: KeptSecret {
            version: version.clone(),
            place: SecretPlace::Sealed(sealed.clone()),
        },
        previous: Some(PreviousSecret {
            secret: previous.secret.clone(),
            until: now() + HOUR,
        }),
        headers: None,
        sealed_to: Some(sealing_key.id),
    };
    let set = table
        .set_rotated_secret(&found, &next(&found), now())
        .await?;
    assert_eq!(set, SetSecret::Moved(Box::new(resealed.clone())));
    let next = next(&resealed);
    let set = table.set_rotated_secret(&resealed, &next, now()).await?;
    assert_eq!(set, SetSecret::Done);
    Ok(())
}

#[tokio::test]
async fn sweeps_remove_secrets_whose_overlap_has_ended() {
    let clock = HandClock::at_now();
    let options = Options::stepwise_with(&clock).with_storage(SecretStorage::Sealed);
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let (id, old) = per_endpoint.create_webhook(&receiver.url).await;
    let start = clock.now();
    clock.advance(HOUR * 2);
    let new = overlap(&app.api, &id).await;
    let stores = operator(&app);
    let young = sweep::find(&stores, HOUR, start + HOUR * 2).await.unwrap();
    assert!(young.found.is_empty(), "{young:?}");
    must_sign_with_each(&app, &receiver, &id, &[&new, &old]).await;
    clock.advance(HOUR);
    let later = clock.now();
    let found = sweep::find(&stores, HOUR, later).await.unwrap();
    let [found] = found.found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(found.cause, Cause::Moved);
    sweep::remove(&stores, found, later).await.unwrap();
    assert!(!is_stored(&app, &id).await);
    must_sign_with_each(&app, &receiver, &id, &[&new]).await;
}

#[tokio::test]
async fn migrations_drop_secrets_that_no_longer_sign() {
    let it = rotated(SecretStorage::PerEndpoint, SecretStorage::PerEndpoint).await;
    let stores = operator(&it.app);
    let later = now() + 2 * HOUR;
    let summary = moves::migrate(&stores, SecretStorage::Sealed, later, |_| {});
    assert_eq!(summary.await.unwrap().moved, 1);
    let shown = it.app.api.get(&format!("/{}", it.id)).await;
    assert_eq!(shown.data()["previousSecretExpiresAt"], Value::Null);
    must_sign_with(&it.app, &it.receiver, &it.id, &it.new).await;
    let key = it.app.aws.endpoint_key(endpoint_id(&it.id));
    let endpoint = it.app.aws.table().endpoint(key).await.unwrap().unwrap();
    assert_eq!(endpoint.previous_secret, None);
    // No leftover gets in the way of a rotation back to Secrets Manager.
    let per_endpoint = it.app.another_api(SecretStorage::PerEndpoint).await;
    let newest = rotate(&per_endpoint, &it.id).await;
    must_sign_with_each(&it.app, &it.receiver, &it.id, &[&newest]).await;
}
