//! Secrets that move between Secrets Manager and their endpoints' items.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use reqwest::StatusCode;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::operator::moves;
use webhook_endpoints::operator::sweep::{self, Cause};

use crate::support::receiver::Receiver;
use crate::support::sealing::{
    HOUR, cold_ping, is_sealed, migrate, must_sign_with, now, operator, overlap, rotate, sealing,
};
use crate::support::wire::Fault;
use crate::support::{Options, STORAGES, TestApp, eventually};

#[tokio::test]
async fn rotations_move_secrets_to_the_configured_storage() {
    let app = sealing().await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, mut secret) = app.api.create_webhook(&receiver.url).await;
    for _ in 0..2 {
        must_sign_with(&app, &receiver, &id, &secret).await;
        secret = rotate(&per_endpoint, &id).await;
        must_sign_with(&app, &receiver, &id, &secret).await;
        assert!(!is_sealed(&app, &id).await);
        assert_eq!(
            app.aws.secret_names().await,
            app.aws.secret_names_of(&[&id])
        );

        secret = rotate(&app.api, &id).await;
        must_sign_with(&app, &receiver, &id, &secret).await;
        assert!(is_sealed(&app, &id).await);
        assert!(app.aws.secret_names().await.is_empty());
    }
}

#[tokio::test]
async fn secrets_left_over_by_a_move_are_swept() {
    let app = sealing().await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = per_endpoint.create_webhook(&receiver.url).await;
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Before);
    // The new secret signs already, so the rotation succeeds.
    let secret = rotate(&app.api, &id).await;
    app.aws.wire.mend();
    assert_eq!(app.aws.secret_names().await.len(), 1);
    let stores = operator(&app);
    let young = sweep::find(&stores, HOUR, now()).await.unwrap();
    assert!(young.found.is_empty(), "{young:?}");
    let found = sweep::find(&stores, HOUR, now() + 2 * HOUR).await.unwrap();
    let [found] = found.found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(found.cause, Cause::Moved);
    sweep::remove(&stores, found, now() + 2 * HOUR)
        .await
        .unwrap();
    assert!(app.aws.secret_names().await.is_empty());
    must_sign_with(&app, &receiver, &id, &secret).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn migrations_under_load_change_no_secret_and_lose_nothing() {
    let options = Options::default().with_storage(SecretStorage::Sealed);
    let app = TestApp::start_with(options).await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let receiver = Receiver::answering(200, "").await;
    let mut endpoints = Vec::new();
    for api in [&app.api, &per_endpoint].repeat(4) {
        endpoints.push(api.create_webhook(&receiver.url).await);
    }
    let done = AtomicBool::new(false);
    let publishing = async {
        let mut events = 0;
        while !done.load(Ordering::SeqCst) {
            app.api.must_publish("invoice.paid").await;
            events += 1;
        }
        events
    };
    let migrating = async {
        for to in STORAGES.repeat(2) {
            migrate(&app, to).await;
            for (id, _) in &endpoints {
                assert_eq!(is_sealed(&app, id).await, to == SecretStorage::Sealed);
            }
            let kept = match to {
                SecretStorage::PerEndpoint => endpoints.len(),
                SecretStorage::Sealed => 0,
            };
            assert_eq!(app.aws.secret_names().await.len(), kept);
        }
        done.store(true, Ordering::SeqCst);
    };
    let (events, ()) = tokio::join!(publishing, migrating);
    let expected = events * endpoints.len();
    let all = async || (receiver.received().len() >= expected).then_some(());
    eventually("all deliveries", all).await;
    for arrived in receiver.received() {
        let signed = endpoints
            .iter()
            .filter(|(_, secret)| arrived.was_signed_with(secret));
        assert_eq!(signed.count(), 1);
    }
    // Everything has been moved already.
    assert_eq!(migrate(&app, SecretStorage::Sealed).await.moved, 0);
}

#[tokio::test]
async fn interrupted_migrations_are_completed_by_the_next_one() {
    let broken: [&[&str]; 4] = [
        &["PutSecretValue"],
        &["UpdateItem", "TransactWriteItems"],
        &["GetSecretValue"],
        &["DeleteSecret"],
    ];
    for broken in broken {
        let app = sealing().await;
        let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
        let receiver = Receiver::answering(200, "").await;
        let endpoints = [
            app.api.create_webhook(&receiver.url).await,
            per_endpoint.create_webhook(&receiver.url).await,
        ];
        for to in STORAGES {
            for fault in [Fault::Before, Fault::After] {
                app.aws.wire.break_calls(broken, fault);
                let stores = operator(&app);
                // Failures are reported, and stop nothing else.
                let summary = moves::migrate(&stores, to, now(), |_| {}).await.unwrap();
                app.aws.wire.mend();
                assert_eq!(summary.endpoints, 2);
                for (id, secret) in &endpoints {
                    must_sign_with(&app, &receiver, id, secret).await;
                }
            }
            migrate(&app, to).await;
            for (id, secret) in &endpoints {
                assert_eq!(is_sealed(&app, id).await, to == SecretStorage::Sealed);
                must_sign_with(&app, &receiver, id, secret).await;
            }
        }
        let stores = operator(&app);
        let left = sweep::find(&stores, HOUR, now() + 2 * HOUR).await.unwrap();
        for found in &left.found {
            assert_eq!(found.cause, Cause::Moved);
            sweep::remove(&stores, found, now() + 2 * HOUR)
                .await
                .unwrap();
        }
        assert!(app.aws.secret_names().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn migrations_race_rotations_and_deletions() {
    for to in STORAGES {
        let app = sealing().await;
        let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
        let receiver = Receiver::answering(200, "").await;
        let done = AtomicBool::new(false);
        // Each API stores new secrets its own way, whatever the migration does.
        let mut rotating = Vec::new();
        for api in [&app.api, &per_endpoint].repeat(2) {
            let (id, mut secret) = api.create_webhook(&receiver.url).await;
            let done = &done;
            rotating.push(async move {
                let mut previous = None;
                while !done.load(Ordering::SeqCst) {
                    previous = Some(secret);
                    secret = overlap(api, &id).await;
                    // True of one secret in 16, so now and then an overlap ends.
                    if secret.ends_with("0=") {
                        let deleted = api.delete(&format!("/{id}/previous-secret")).await;
                        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
                        previous = None;
                    }
                }
                (id, [Some(secret), previous])
            });
        }
        let migrating = async {
            for turn in 0..6 {
                let to = if turn % 2 == 0 {
                    to
                } else {
                    STORAGES[turn / 2 % 2]
                };
                let stores = operator(&app);
                // Endpoints that kept changing are reported.
                moves::migrate(&stores, to, now(), |_| {}).await.unwrap();
            }
            done.store(true, Ordering::SeqCst);
        };
        let (endpoints, ()) = tokio::join!(join_all(rotating), migrating);
        migrate(&app, to).await;
        for (id, secrets) in &endpoints {
            let secrets: Vec<_> = secrets.iter().flatten().map(String::as_str).collect();
            let arrived = cold_ping(&app, &receiver, id).await;
            assert_eq!(arrived.signers(&secrets), secrets);
        }
    }
}
