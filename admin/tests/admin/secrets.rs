use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local::service::{self, SECRET_PREFIX};
use serde_json::{Value, json};
use webhook_endpoints::aws::Stores;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::aws::table::{Marked, Presence};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::id::{AppId, EndpointId};
use webhook_endpoints::domain::signing::SigningSecret;

use crate::service::Service;

/// An app with everything that the sweep has to distinguish.
struct Leftovers {
    app: String,
    stores: Stores,
    live: EndpointKey,
    /// The deletion was interrupted after it marked the endpoint.
    marked: EndpointKey,
    /// The deletion was interrupted after it removed the secret.
    half: EndpointKey,
    /// The deletion has just begun.
    young: EndpointKey,
    /// A secret whose endpoint was never created.
    orphan: EndpointKey,
    /// Names of secrets that are not the service's, one of them below its prefix.
    foreign: [String; 2],
}

impl Leftovers {
    async fn leave(service: &Service) -> Self {
        let created = service.admin_json(&["keys", "create", "--new-app"]).await;
        let app = created["appId"].as_str().unwrap();
        let key = created["key"].as_str().unwrap();
        let key_of = |endpoint_id| EndpointKey {
            app_id: AppId::parse(app).unwrap(),
            endpoint_id,
        };
        let left = Self {
            app: app.to_owned(),
            stores: service::stores(&service.clients, &service.resources),
            live: key_of(service.create_endpoint(app, key).await),
            marked: key_of(service.create_endpoint(app, key).await),
            half: key_of(service.create_endpoint(app, key).await),
            young: key_of(service.create_endpoint(app, key).await),
            orphan: key_of(EndpointId::new()),
            foreign: [
                "webhook-endpoints-of-another-stack".to_owned(),
                format!("{SECRET_PREFIX}/database-password"),
            ],
        };
        let (table, secrets) = (&left.stores.table, &left.stores.secrets);
        let now = Clock::system().now();
        let two_hours_ago = now - Duration::from_secs(2 * 60 * 60);
        for (endpoint, at) in [
            (left.marked, two_hours_ago),
            (left.half, two_hours_ago),
            (left.young, now),
        ] {
            let marked = table.mark_endpoint_deleted(endpoint, at).await;
            assert_ne!(marked.unwrap(), Marked::Missing);
        }
        let secret = SigningSecret::generate(&mut rand::rng());
        secrets.create(left.orphan, &secret).await.unwrap();
        secrets.delete(left.half).await.unwrap();
        for name in &left.foreign {
            let create = service.clients.secrets.create_secret().name(name);
            create.secret_string("x").send().await.unwrap();
        }
        left
    }
}

fn secret_name(endpoint: EndpointKey) -> String {
    let EndpointKey {
        app_id,
        endpoint_id,
    } = endpoint;
    format!("{SECRET_PREFIX}/{app_id}/{endpoint_id}")
}

#[tokio::test]
async fn sweep_removes_orphaned_secrets_and_finishes_deletions() {
    let service = Service::start().await;
    let left = Leftovers::leave(&service).await;
    let before = service.secret_names().await;

    // `ListSecrets` says that all secrets are two hours old.
    let young = ["secrets", "sweep", "--older-than", "2h 5m"];
    assert_eq!(service.admin_json(&young).await, json!([]));
    let found = service.admin_json(&["secrets", "sweep", "--dry-run"]).await;
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|found| found["outcome"] == "found"));
    assert_eq!(service.secret_names().await, before);

    let swept = service.admin_json(&["secrets", "sweep"]).await;
    let cause = |endpoint: EndpointKey| {
        let id = endpoint.endpoint_id.to_string();
        let mut swept = swept.as_array().unwrap().iter();
        let swept = swept.find(|swept| swept["endpointId"] == id).unwrap();
        assert_eq!(swept["outcome"], "removed");
        assert_eq!(swept["appId"], left.app);
        swept["cause"].clone()
    };
    assert_eq!(cause(left.orphan), "noEndpoint");
    assert_eq!(cause(left.marked), "deletionInterrupted");
    assert_eq!(cause(left.half), "deletionInterrupted");
    assert_eq!(swept.as_array().unwrap().len(), 3);
    let [of_another_stack, foreign] = left.foreign;
    assert_eq!(
        service.secret_names().await,
        [
            of_another_stack,
            secret_name(left.live),
            secret_name(left.young),
            foreign
        ]
    );
    for (endpoint, expected) in [
        (left.young, Presence::Marked),
        (left.marked, Presence::Missing),
        (left.half, Presence::Missing),
        (left.live, Presence::Live),
    ] {
        let presence = left
            .stores
            .table
            .endpoint_presence(endpoint, Clock::system().now())
            .await;
        assert_eq!(presence.unwrap(), expected);
    }
    // Nobody asked for the removal of the orphan, so it can be restored.
    assert!(service.restores(&secret_name(left.orphan)).await);
    assert!(!service.restores(&secret_name(left.marked)).await);
}

#[tokio::test]
async fn sweep_reports_unreadable_items_and_removes_the_rest() {
    let service = Service::start().await;
    Leftovers::leave(&service).await;
    let mut put = service.clients.dynamodb.put_item();
    for (name, value) in [
        ("pk", "APP#acme"),
        ("sk", "E#broken"),
        ("gsi2pk", "DUE#DELETIONS"),
        ("gsi2sk", "2025-12-31T00:00:00.000Z#broken"),
        (attribute::CREATED_AT, "a customer's own value"),
    ] {
        put = put.item(name, AttributeValue::S(value.to_owned()));
    }
    let put = put.table_name(&service.resources.table_name).send();
    put.await.unwrap();

    let output = service.admin(&["secrets", "sweep", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    let skipped = "skipped an unreadable item: pk APP#acme, sk E#broken\n";
    assert_eq!(errors, skipped);
    let swept: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(swept.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn sweep_is_refused_if_most_secrets_look_orphaned() {
    let service = Service::start().await;
    let left = Leftovers::leave(&service).await;
    let other = service.clients.create_resources("other", None).await;
    let other = other.unwrap().table_name;
    let before = service.secret_names().await;
    let wrong_table = ["secrets", "sweep", "--table-name", &other];
    let refused = service.admin(&wrong_table).await;
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(
        stderr.contains("4 of 4 secrets have no endpoint"),
        "{stderr}"
    );
    assert!(stderr.contains("--force"), "{stderr}");
    assert_eq!(service.secret_names().await, before);
    let dry = service
        .admin(&[&wrong_table[..], &["--dry-run"]].concat())
        .await;
    assert!(dry.status.success());
    let warning = String::from_utf8(dry.stderr).unwrap();
    assert!(warning.starts_with("warning: 4 of 4"), "{warning}");
    let forced = service
        .admin(&[&wrong_table[..], &["--force"]].concat())
        .await;
    assert!(forced.status.success(), "{forced:?}");
    assert!(service.restores(&secret_name(left.live)).await);
}

#[tokio::test]
async fn sweep_is_refused_if_no_secret_has_the_prefix() {
    let service = Service::start().await;
    let left = Leftovers::leave(&service).await;
    let wrong_prefix = ["secrets", "sweep", "--secret-prefix", "webhooks"];
    let refused = service.admin(&wrong_prefix).await;
    assert_eq!(refused.status.code(), Some(1));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("no secret with this prefix"), "{stderr}");
    let presence = left
        .stores
        .table
        .endpoint_presence(left.marked, Clock::system().now())
        .await;
    assert_eq!(presence.unwrap(), Presence::Marked);
}

#[tokio::test]
async fn secrets_are_migrated_and_resealed_to_a_new_key() {
    let service = Service::start().await;
    let created = service
        .admin_json(&["keys", "create", "--app", "acme"])
        .await;
    let key = created["key"].as_str().unwrap();
    for _ in 0..2 {
        service.create_endpoint("acme", key).await;
    }
    let beside = service.secret_names().await;
    assert_eq!(beside.len(), 2);
    let migrate = |to: &'static str| ["secrets", "migrate", "--to", to];
    let moved = json!({"endpoints": 2, "moved": 2, "failed": 0, "unreadable": 0});
    assert_eq!(service.admin_json(&migrate("Sealed")).await, moved);
    let sealed = service.secret_names().await;
    assert_eq!(sealed.len(), 1);
    assert!(sealed[0].starts_with("webhook-endpoints/sealing."));

    let rotated = service.admin_json(&["secrets", "rotate-sealing-key"]).await;
    assert_eq!(rotated["retired"], true, "{rotated}");
    assert_eq!(rotated["moved"], 2, "{rotated}");
    let new = format!(
        "webhook-endpoints/sealing.{}",
        rotated["key"].as_str().unwrap()
    );
    assert_eq!(service.secret_names().await, [new]);
    assert!(service.restores(&sealed[0]).await);

    let output = service.admin(&migrate("PerEndpoint")).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "2 endpoints, 2 moved, 0 failed, 0 unreadable\n");
    let again = String::from_utf8(service.admin(&migrate("PerEndpoint")).await.stdout);
    assert!(again.unwrap().contains(" 0 moved"));
    let mut names = service.secret_names().await;
    names.retain(|name| beside.contains(name));
    assert_eq!(names, beside);

    let refused = service.admin(&migrate("sealed")).await;
    assert_eq!(refused.status.code(), Some(2));
}
