use tokio::process::Command;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::id::{AppId, EndpointId};
use webhook_endpoints::domain::signing::SigningSecret;

use crate::service::Service;

const NO_TABLE: &str = "no table \"none\" in this account and Region";

/// Commands that fail: the exit code, the arguments and a part of the error.
const FAILING: [(i32, &str, &str); 20] = [
    (1, "apps put --app x --table-name none", NO_TABLE),
    (
        2,
        r#"apps put --app x --metadata {"plan":1}"#,
        "metadata.plan must be a string",
    ),
    (1, "keys create --new-app --prefix a-b", "prefix"),
    (
        1,
        "keys create --new-app --prefix acme_platform",
        "platform",
    ),
    (1, "keys create --new-app --table-name none", NO_TABLE),
    (2, "keys create", "--new-app"),
    (2, "keys create --new-app --app x", "--new-app"),
    (2, "keys create --platform --scope read", "--platform"),
    (
        2,
        "keys create --app x --scope platform",
        "must be all, manage, publish or read",
    ),
    (2, "keys create --app x --expires-at soon", "ISO 8601"),
    (1, "keys list --app x --table-name none", NO_TABLE),
    (2, "keys list --app -x", "--app=-x"),
    (2, "keys list --app a/b", "1 to 64 letters"),
    (
        1,
        "keys revoke --app x --key 01890000-0000-7000-8000-0000000000c1",
        "has no key 01890000-0000-7000-8000-0000000000c1",
    ),
    (1, "secrets sweep --table-name none", NO_TABLE),
    (2, "secrets sweep --older-than 299s", "at least 5m"),
    (1, "sessions create --app x --table-name none", NO_TABLE),
    (
        2,
        "sessions create --app x --scope all",
        "must be manage or read",
    ),
    (
        2,
        "sessions create --app x --expires-in-seconds 1h",
        "from 60 to 604,800",
    ),
    (
        2,
        "sessions create --app x --portal-url http://x",
        "must be an https URL",
    ),
];

#[tokio::test]
async fn failures_set_the_exit_code() {
    let service = Service::start().await;
    // Without a secret, the sweep would not look into the table.
    let secret = SigningSecret::generate(&mut rand::rng());
    let orphan = EndpointKey {
        app_id: AppId::new(),
        endpoint_id: EndpointId::new(),
    };
    let stores = local::service::stores(&service.clients, &service.resources);
    stores.secrets.create(orphan, &secret).await.unwrap();
    for (code, arguments, error) in FAILING {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let output = service.admin(&arguments).await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(error), "{stderr}");
    }
}

#[tokio::test]
async fn sessions_need_an_app_that_was_created() {
    let service = Service::start().await;
    let output = service
        .admin(&["sessions", "create", "--app", "acme"])
        .await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("acme") && stderr.contains("apps put"),
        "{stderr}"
    );
}

#[tokio::test]
async fn missing_region_is_reported() {
    for region in ["", "AWS_REGION"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-admin"));
        command.args(["keys", "list", "--app", "acme"]).env_clear();
        command.env("TABLE_NAME", "table").env("HOME", "/nowhere");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        if region.is_empty() {
            command.env("AWS_REGION", region);
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let says =
            "error: no AWS Region is set: set AWS_REGION, or AWS_PROFILE to a profile with one\n";
        assert_eq!(stderr, says);
    }
}

#[tokio::test]
async fn api_keys_in_arguments_are_never_printed() {
    let service = Service::start().await;
    let created = service
        .admin_json(&["keys", "create", "--app", "acme"])
        .await;
    let key = created["key"].as_str().unwrap();
    let with_equals = format!("--key={key}");
    let in_label = format!("the key is {key}");
    for arguments in [
        &["keys", "revoke", "--app", "acme", "--key", key][..],
        &["keys", "revoke", "--app", "acme", &with_equals],
        &["keys", "revoke", "--app", "acme", key],
        &["keys", "revoke", "--app", key, "--key", "x"],
        &["keys", "list", "--app", key],
        &["apps", "put", "--app", key],
        &["keys", "create", "--app", key],
        &["keys", "create", "--app", "acme", "--prefix", key],
        &["keys", "create", "--app", "acme", "--label", &in_label],
        &["keys", "list", "--app", "acme", "--table-name", key],
        &["secrets", "sweep", "--older-than", key],
        &[key],
    ] {
        let output = service.admin(arguments).await;
        assert!(!output.status.success(), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.is_empty() && !stderr.contains(key), "{stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
