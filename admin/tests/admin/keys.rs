use reqwest::StatusCode;
use serde_json::Value;
use webhook_endpoints::domain::id::AppId;

use crate::service::Service;

#[tokio::test]
async fn created_keys_work_for_their_app_until_revoked() {
    let service = Service::start().await;
    let create = ["keys", "create", "--new-app", "--label", "billing"];
    let created = service.admin_json(&create).await;
    let (app_id, id) = (
        created["appId"].as_str().unwrap(),
        created["id"].as_str().unwrap(),
    );
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("whk_"), "{key}");
    assert_eq!(service.list(app_id, key).await, StatusCode::OK);
    let other_app = AppId::new().to_string();
    assert_eq!(service.list(&other_app, key).await, StatusCode::NOT_FOUND);

    let list = ["keys", "list", "--app", app_id];
    let listed = service.admin_json(&list).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["label"], "billing");
    assert_eq!(listed[0]["ends"], key[key.len() - 4..]);
    assert_eq!(listed[0]["revokedAt"], Value::Null);
    assert_eq!(listed[0].get("key"), None);

    let revoke = ["keys", "revoke", "--app", app_id, "--key", id];
    let revoked = service.admin_json(&revoke).await;
    assert_eq!(service.list(app_id, key).await, StatusCode::UNAUTHORIZED);
    let listed = service.admin_json(&list).await;
    assert_eq!(listed[0]["revokedAt"], revoked["revokedAt"]);
    assert_eq!(service.admin_json(&revoke).await, revoked);
}

#[tokio::test]
async fn keys_have_the_requested_scope_and_expiry() {
    let service = Service::start().await;
    let create = ["keys", "create", "--app", "acme", "--scope"];
    let expires = ["--expires-at", "2020-01-31T09:30:00.500Z"];
    for (scope, more, status) in [
        ("all", &[][..], StatusCode::OK),
        ("read", &[], StatusCode::OK),
        ("publish", &[], StatusCode::FORBIDDEN),
        ("read", &expires, StatusCode::UNAUTHORIZED),
    ] {
        let created = service
            .admin_json(&[&create[..], &[scope], more].concat())
            .await;
        assert_eq!(created["scope"], scope);
        assert_eq!(created["expiresAt"].is_null(), more.is_empty());
        let key = created["key"].as_str().unwrap();
        assert_eq!(service.list("acme", key).await, status, "{scope}");
    }
    let output = service.admin(&["keys", "list", "--app", "acme"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    let expired = table.lines().last().unwrap();
    assert!(expired.contains("  read   ") && expired.contains("2020-01-31T09:30:00.000Z"));
}

#[tokio::test]
async fn platform_keys_are_created_listed_and_revoked() {
    let service = Service::start().await;
    let created = service
        .admin_json(&["keys", "create", "--platform", "--label", "backend"])
        .await;
    let (id, key) = (
        created["id"].as_str().unwrap(),
        created["key"].as_str().unwrap(),
    );
    assert!(key.starts_with("whk_platform_"), "{key}");
    assert_eq!(created["scope"], "platform");
    assert_eq!(created["appId"], Value::Null);
    // A platform key can't read endpoints.
    assert_eq!(service.list("acme", key).await, StatusCode::FORBIDDEN);

    let list = ["keys", "list", "--platform"];
    let listed = service.admin_json(&list).await;
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    service
        .admin_json(&["keys", "revoke", "--platform", "--key", id])
        .await;
    assert_eq!(service.list("acme", key).await, StatusCode::UNAUTHORIZED);
    assert_ne!(service.admin_json(&list).await[0]["revokedAt"], Value::Null);
}

#[tokio::test]
async fn keys_create_prints_only_the_key_to_standard_output() {
    let service = Service::start().await;
    let app_id = AppId::new().to_string();
    let output = service
        .admin(&["keys", "create", "--app", &app_id, "--prefix", "acme_live"])
        .await;
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let key = stdout.strip_suffix('\n').unwrap();
    assert!(key.starts_with("acme_live_"), "{key}");
    assert_eq!(service.list(&app_id, key).await, StatusCode::OK);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(&app_id) && !stderr.contains(key));

    let output = service.admin(&["keys", "list", "--app", &app_id]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains(&key[key.len() - 4..]) && !table.contains(key));
}

#[tokio::test]
async fn app_ids_can_begin_with_a_hyphen() {
    let service = Service::start().await;
    let created = service.admin_json(&["keys", "create", "--app=-x"]).await;
    let key = created["key"].as_str().unwrap();
    assert_eq!(service.list("-x", key).await, StatusCode::OK);
}

#[tokio::test]
async fn reserved_app_cannot_have_keys_or_sessions() {
    let service = Service::start().await;
    for resource in ["keys", "sessions"] {
        let create = [resource, "create", "--app", "operational"];
        let output = service.admin(&create).await;
        assert!(!output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("operational is reserved"), "{stderr}");
    }
}
