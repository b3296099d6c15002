use std::path::PathBuf;

use serde_json::json;
use webhook_endpoints::domain::id::AppId;

use crate::service::Service;

/// A directory for files of a test, removed when dropped.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("admin-{}", AppId::new()));
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    /// Writes a file and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const PUT: [&str; 6] = [
    "event-types",
    "put",
    "--type",
    "invoice.paid",
    "--description",
    "Paid.",
];

#[tokio::test]
async fn event_types_are_put_shown_listed_and_deleted() {
    let service = Service::start().await;
    let files = Files::new();
    let schema = files.write("schema.json", "{\"type\": \"object\"}\n");
    let example = files.write("example.json", "{\"amount\": 1e2}\n");
    let details = ["--schema", &schema, "--example", &example];
    let group = ["--group", "Billing"];
    let put = [&PUT[..], &details, &group].concat();
    let added = service.admin_json(&put).await;
    assert_eq!(added["example"], json!({"amount": 100.0}));
    assert_eq!(added["schema"], json!({"type": "object"}));
    let get = ["event-types", "get", "--type", "invoice.paid"];
    assert_eq!(service.admin_json(&get).await, added);
    let list = ["event-types", "list", "--prefix", "invoice."];
    let list = [&list[..], &group].concat();
    assert_eq!(service.admin_json(&list).await, json!([added]));

    let changed = service.admin(&[&PUT[..], &["--deprecated"]].concat()).await;
    assert_eq!(changed.stdout, b"event type invoice.paid was changed\n");
    let listed = service.admin(&["event-types", "list"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("yes") && listed.contains("Paid."),
        "{listed}"
    );
    let delete = ["event-types", "delete", "--type", "invoice.paid"];
    assert!(service.admin(&delete).await.status.success());
    for command in [&delete, &get] {
        let missing = service.admin(command).await;
        assert!(!missing.status.success());
        let error = String::from_utf8(missing.stderr).unwrap();
        assert!(error.contains("has no event type invoice.paid"), "{error}");
    }
}

#[tokio::test]
async fn invalid_event_types_are_refused() {
    let service = Service::start().await;
    let files = Files::new();
    let wrong = files.write("wrong.json", "{\"type\": \"int\"}");
    let refused = service
        .admin(&[&PUT[..], &["--schema", &wrong]].concat())
        .await;
    assert!(!refused.status.success());
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(
        error.contains("the schema must be a JSON Schema"),
        "{error}"
    );
    for unreadable in ["no-such-file", "."] {
        let refused = service
            .admin(&[&PUT[..], &["--example", unreadable]].concat())
            .await;
        assert!(!refused.status.success(), "{refused:?}");
    }
    let reserved = ["event-types", "put", "--type", "test.ping"];
    let reserved = [&reserved[..], &["--description", "Ping."]].concat();
    assert!(!service.admin(&reserved).await.status.success());
}
