use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::service::Service;

#[tokio::test]
async fn sessions_are_created_and_revoked() {
    let service = Service::start().await;
    service.admin_json(&["apps", "put", "--app", "acme"]).await;
    let create = ["sessions", "create", "--app", "acme"];
    let created = service.admin_json(&create).await;
    assert_eq!(created["scope"], "manage");
    assert_eq!(created["url"], Value::Null);
    let token = created["token"].as_str().unwrap();
    assert_eq!(service.list("acme", token).await, StatusCode::OK);

    let endpoint = service.create_endpoint("acme", token).await.to_string();
    let narrow = ["--scope", "read", "--webhook", &endpoint];
    let times = ["--expires-in-seconds", "60"];
    let narrow = service
        .admin_json(&[&create[..], &narrow, &times].concat())
        .await;
    assert_eq!(narrow["scope"], "read");
    assert_eq!(narrow["webhookId"], *endpoint);
    let narrow = narrow["token"].as_str().unwrap();
    assert_eq!(service.list("acme", narrow).await, StatusCode::OK);

    let portal = ["--portal-url", "https://webhooks.example.com/"];
    let output = service.admin(&[&create[..], &portal].concat()).await;
    let stdout = String::from_utf8(output.stdout).unwrap();
    let link = stdout.strip_suffix('\n').unwrap();
    let address = "https://webhooks.example.com/portal/#app=acme&token=";
    let linked = link.strip_prefix(address).unwrap();
    assert_eq!(service.list("acme", linked).await, StatusCode::OK);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("acme") && !stderr.contains(linked));

    let id = created["id"].as_str().unwrap();
    let revoke = ["sessions", "revoke", "--app", "acme", "--session", id];
    service.admin_json(&revoke).await;
    assert_eq!(service.list("acme", token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(service.list("acme", linked).await, StatusCode::OK);
    assert_eq!(service.admin(&revoke).await.status.code(), Some(1));
    // Sessions are not listed as keys.
    let keys = service.admin_json(&["keys", "list", "--app", "acme"]).await;
    assert_eq!(keys, json!([]));
    service
        .admin_json(&["apps", "delete", "--app", "acme"])
        .await;
    assert_eq!(service.list("acme", linked).await, StatusCode::UNAUTHORIZED);
}
