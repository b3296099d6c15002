//! Invalid request bodies: every error is reported, and nothing changes.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::address::AddressPolicy;

use crate::support::{Options, TestApp};

const URL: &str = "https://example.com/hook";

/// A service with the address policy of a deployment, and one endpoint.
struct Registered {
    app: TestApp,
    path: String,
    list: Value,
}

impl Registered {
    async fn start() -> Self {
        let mut options = Options::default();
        options.settings.address_policy = AddressPolicy::PublicOnly;
        let app = TestApp::start_with(options).await;
        let (id, _) = app.api.create_webhook(URL).await;
        let list = app.api.get("").await.body;
        app.aws.wire.take();
        Self {
            app,
            path: format!("/{id}"),
            list,
        }
    }

    /// Asserts that creating an endpoint is rejected because of these fields.
    async fn must_refuse_create(&self, body: &Value, fields: &[&str]) {
        let refused = self.app.api.post_json("", body).await;
        self.must_have_done_nothing(&refused, body, fields);
    }

    /// Asserts that updating the endpoint is rejected because of these fields.
    async fn must_refuse_update(&self, body: &Value, fields: &[&str]) {
        let refused = self.app.api.put_json(&self.path, body).await;
        self.must_have_done_nothing(&refused, body, fields);
    }

    /// The key is cached, so a rejected body must make no AWS call at all.
    fn must_have_done_nothing(
        &self,
        refused: &crate::support::Answer,
        body: &Value,
        fields: &[&str],
    ) {
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
        refused.must_be_invalid(fields);
        assert!(self.app.aws.wire.take().is_empty(), "{body}");
    }

    async fn must_be_unchanged(&self) {
        assert_eq!(self.app.api.get("").await.body, self.list);
    }
}

#[tokio::test]
async fn urls_must_be_absolute_https() {
    let registered = Registered::start().await;
    let long = format!("https://example.com/{}", "a".repeat(2_029));
    assert_eq!(long.len(), 2_049);
    for url in [
        "",
        "example.com",
        "//example.com/hook",
        "/hook",
        "https://",
        "https:///hook",
        "https:example.com",
        "http://example.com/hook",
        "ftp://example.com/hook",
        "javascript:alert(1)",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://:password@example.com/",
        "https://example.com/#fragment",
        "https://example.com/#",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://exam ple.com/",
        "https://example.com/a b",
        "https://example.com/\n",
        " https://example.com/",
        "https://example.com\\@127.0.0.1/",
        &long,
    ] {
        let create = json!({"url": url, "events": ["*"]});
        registered.must_refuse_create(&create, &["url"]).await;
        let update = json!({"url": url});
        registered.must_refuse_update(&update, &["url"]).await;
    }
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn non_public_addresses_are_rejected_in_every_notation() {
    let registered = Registered::start().await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "localhost",
        "LOCALHOST.",
        "api.localhost",
    ] {
        let url = format!("https://{host}:8443/hook");
        let create = json!({"url": url, "events": ["*"]});
        registered.must_refuse_create(&create, &["url"]).await;
        let update = json!({"url": url});
        registered.must_refuse_update(&update, &["url"]).await;
    }
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn unusable_urls_are_rejected_with_the_reason() {
    let registered = Registered::start().await;
    let label = "a".repeat(64);
    for (url, reason) in [
        ("https://a{b}.example.com/", "letters, digits, hyphens"),
        ("https://*.example.com/", "letters, digits, hyphens"),
        (
            &format!("https://{label}.example.com/"),
            "1 to 63 characters",
        ),
        (&format!("https://{}com/", "abcdefg.".repeat(32)), "253"),
        ("https://[2606:4700:4700::1111]/", "IPv4"),
        ("https://example.com:99999/", "port"),
        ("https://example.com:/", "port from 1"),
        ("https://@example.com/", "credentials"),
        ("https://ex%61mple.com/", "percent-encoded"),
        ("https://receiver.onion/", ".onion"),
        ("https://receiver.local/", ".local"),
        ("https://example.com:25/", "port 443 or one from 1024"),
        ("https://example.com:80/", "port 443 or one from 1024"),
    ] {
        let body = json!({"url": url, "events": ["*"]});
        registered.must_refuse_create(&body, &["url"]).await;
        let refused = registered.app.api.post_json("", &body).await;
        let message = refused.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{url}: {message}");
    }
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn non_ascii_urls_are_shown_in_an_unambiguous_form() {
    let registered = Registered::start().await;
    let app = &registered.app;
    for (given, shown) in [
        (
            "https://b\u{fc}cher.example/\u{fc}",
            "https://xn--bcher-kva.example/%C3%BC",
        ),
        (
            "https://example.com/\u{202e}moc",
            "https://example.com/%E2%80%AEmoc",
        ),
    ] {
        let body = json!({"url": given, "events": ["*"]});
        let created = app.api.post_json("", &body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        assert_eq!(created.data()["url"], shown);
        let updated = app.api.put_json(&registered.path, &body).await;
        assert_eq!(updated.data()["url"], shown);
        assert_eq!(app.api.get(&registered.path).await.data()["url"], shown);
    }
}

#[tokio::test]
async fn missing_or_malformed_events_are_rejected() {
    let registered = Registered::start().await;
    let many: Vec<_> = (0..101).map(|n| format!("event.{n}")).collect();
    let long = "x".repeat(129);
    for (events, fields) in [
        (json!([]), vec!["events"]),
        (json!(many), vec!["events"]),
        (json!([long]), vec!["events[0]"]),
        (json!(["a", ""]), vec!["events[1]"]),
        (json!(["a..b"]), vec!["events[0]"]),
        (json!([".a", "b."]), vec!["events[0]", "events[1]"]),
        (json!(["a b", "ok", "é"]), vec!["events[0]", "events[2]"]),
        (
            json!(["a*", "*.a", "a.*.b", "**"]),
            vec!["events[0]", "events[1]", "events[2]", "events[3]"],
        ),
    ] {
        let create = json!({"url": URL, "events": events});
        registered.must_refuse_create(&create, &fields).await;
        let update = json!({"events": events});
        registered.must_refuse_update(&update, &fields).await;
    }
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn values_of_the_wrong_type_are_rejected() {
    let registered = Registered::start().await;
    let others = [json!(null), json!(1), json!({}), json!(["https://a.b"])];
    for url in [&others[..], &[json!(true)]].concat() {
        let create = json!({"url": url, "events": ["*"]});
        registered.must_refuse_create(&create, &["url"]).await;
        let update = json!({"url": url});
        registered.must_refuse_update(&update, &["url"]).await;
    }
    for events in [&others[..3], &[json!("*"), json!(true)]].concat() {
        let create = json!({"url": URL, "events": events});
        registered.must_refuse_create(&create, &["events"]).await;
        let update = json!({"events": events});
        registered.must_refuse_update(&update, &["events"]).await;
    }
    for active in [&others[..], &[json!("true")]].concat() {
        let create = json!({"url": URL, "events": ["*"], "active": active});
        registered.must_refuse_create(&create, &["active"]).await;
        let update = json!({"active": active});
        registered.must_refuse_update(&update, &["active"]).await;
    }
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn unknown_fields_are_rejected_by_name() {
    let registered = Registered::start().await;
    for unknown in ["secret", "ID", "secretVersion", "URL", ""] {
        let create = json!({"url": URL, "events": ["*"], unknown: "x"});
        registered.must_refuse_create(&create, &[unknown]).await;
        let update = json!({"active": true, unknown: "x"});
        registered.must_refuse_update(&update, &[unknown]).await;
    }
    // Updates ignore read-only fields. Creation rejects them.
    for read_only in ["id", "createdAt", "disabledReason"] {
        let create = json!({"url": URL, "events": ["*"], read_only: null});
        registered.must_refuse_create(&create, &[read_only]).await;
    }
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn missing_fields_are_reported_by_name() {
    let registered = Registered::start().await;
    registered
        .must_refuse_create(&json!({}), &["url", "events"])
        .await;
    registered
        .must_refuse_create(&json!({"url": URL}), &["events"])
        .await;
    registered
        .must_refuse_create(&json!({"events": ["*"]}), &["url"])
        .await;
    // An update needs at least one field.
    registered.must_refuse_update(&json!({}), &["body"]).await;
    // Read-only fields, which it ignores, do not count.
    let shown = registered.app.api.get(&registered.path).await;
    let mut read_only = shown.data().clone();
    for settable in [
        "url",
        "events",
        "active",
        "rateLimit",
        "description",
        "metadata",
        "channels",
        "filter",
    ] {
        read_only.as_object_mut().unwrap().remove(settable);
    }
    assert!(read_only["createdAt"].is_string());
    registered.app.aws.wire.take();
    registered.must_refuse_update(&read_only, &["body"]).await;
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let registered = Registered::start().await;
    let body = json!({
        "url": "http://example.com",
        "events": ["fine", "not fine", 3, "a..b"],
        "colour": "red",
        "size": 5,
    });
    let fields = [
        "url",
        "events[1]",
        "events[2]",
        "events[3]",
        "colour",
        "size",
    ];
    registered.must_refuse_create(&body, &fields).await;
    registered.must_refuse_update(&body, &fields).await;

    let no_url = json!({"events": 7, "colour": "red"});
    registered
        .must_refuse_create(&no_url, &["url", "events", "colour"])
        .await;
    let update = json!({"url": 1, "events": [], "active": "no", "secret": ""});
    registered
        .must_refuse_update(&update, &["url", "events", "active", "secret"])
        .await;
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn bodies_that_are_not_json_objects_are_rejected() {
    let registered = Registered::start().await;
    let deep = "[".repeat(60_000);
    let (no_json, no_object) = ("must be JSON: ", "must be a JSON object");
    let bodies: [(&[u8], &str); 12] = [
        (b"", no_json),
        (b"{", no_json),
        (b"nul", no_json),
        (b"null", no_object),
        (b"[]", no_object),
        (b"5", no_object),
        (b"\"text\"", no_object),
        (br#"{"active": true,}"#, no_json),
        (br#"{"active": true} {}"#, no_json),
        (br#"{'active': true}"#, no_json),
        (b"{\"url\": \"\xff\"}", no_json),
        (deep.as_bytes(), no_object),
    ];
    for (body, reason) in bodies {
        for (method, path) in [(Method::POST, ""), (Method::PUT, &*registered.path)] {
            let request = registered
                .app
                .api
                .request(method, path)
                .header("content-type", "application/json")
                .body(body.to_vec());
            let refused = crate::support::answer(request).await;
            refused.must_be_invalid(&["body"]);
            let message = refused.body["error"]["details"][0]["message"].as_str();
            assert!(message.unwrap().starts_with(reason), "{refused:?}");
        }
    }
    assert!(registered.app.aws.wire.take().is_empty());
    registered.must_be_unchanged().await;
}

#[tokio::test]
async fn values_at_the_limits_are_accepted_and_shown_unchanged() {
    let registered = Registered::start().await;
    let app = &registered.app;
    let longest_url = format!("https://example.com/{}", "a".repeat(2_028));
    assert_eq!(longest_url.len(), 2_048);
    let most_events: Vec<_> = (0..100).map(|n| format!("event.{n}")).collect();
    let longest_event = "x".repeat(128);
    for (url, events) in [
        (longest_url.as_str(), json!([longest_event])),
        ("https://1.1.1.1/", json!(most_events)),
        ("https://localhost.example.com", json!(["a.*", "A_b-9.c"])),
        ("HTTPS://EXAMPLE.com:443/?a=%20&b", json!(["a"])),
    ] {
        let created = app
            .api
            .post_json("", &json!({"url": url, "events": events}))
            .await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let updated = app
            .api
            .put_json(&registered.path, &json!({"url": url, "events": events}))
            .await;
        for shown in [created, updated, app.api.get(&registered.path).await] {
            assert_eq!(shown.data()["url"], url);
            assert_eq!(shown.data()["events"], events);
        }
    }
}
