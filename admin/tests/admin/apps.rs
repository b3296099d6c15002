use reqwest::StatusCode;

use crate::service::Service;

#[tokio::test]
async fn apps_are_created_changed_listed_and_deleted() {
    let service = Service::start().await;
    let put = ["apps", "put", "--app", "acme"];
    let metadata = ["--metadata", r#"{"plan": "pro"}"#];
    let created = service.admin_json(&[&put[..], &metadata].concat()).await;
    assert_eq!(created["metadata"]["plan"], "pro");
    let changed = service
        .admin_json(&[&put[..], &["--name", "Acme"]].concat())
        .await;
    assert_eq!(changed["metadata"], created["metadata"]);
    assert_eq!(changed["createdAt"], created["createdAt"]);
    service.admin_json(&["apps", "put", "--app", "beta"]).await;

    let listed = service.admin_json(&["apps", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0], changed);
    let output = service.admin(&["apps", "list", "--prefix", "ac"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("acme") && table.contains("Acme") && !table.contains("beta"));

    let key = service
        .admin_json(&["keys", "create", "--app", "acme"])
        .await;
    let deleted = service
        .admin_json(&["apps", "delete", "--app", "acme"])
        .await;
    assert_eq!(deleted["status"], "DELETING");
    let key = key["key"].as_str().unwrap();
    assert_eq!(service.list("acme", key).await, StatusCode::UNAUTHORIZED);
    let output = service.admin(&put).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
