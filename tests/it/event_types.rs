//! The event type catalogue: putting, getting, listing and deleting types.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;

use crate::support::{Answer, Options, TestApp, answer, fields};

async fn start() -> TestApp {
    TestApp::start_with(Options::idle()).await
}

fn paid() -> Value {
    json!({
        "description": "A customer paid\nan invoice.",
        "schema": {"type": "object", "required": ["amount"]},
        "example": {"amount": 1200},
        "group": "Billing",
        "deprecated": true,
    })
}

/// Puts a raw body.
async fn put_text(app: &TestApp, name: &str, body: String) -> Answer {
    let request = app
        .api
        .by_platform(Method::PUT, &format!("/event-types/{name}"));
    let request = request.header("content-type", "application/json");
    answer(request.body(body)).await
}

#[tokio::test]
async fn the_first_put_adds_a_type_and_later_ones_replace_it() {
    let app = start().await;
    let added = app.put_type("invoice.paid", &paid()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let expected = [
        "createdAt",
        "deprecated",
        "description",
        "example",
        "group",
        "name",
        "schema",
        "updatedAt",
    ];
    assert_eq!(fields(added.data()), expected);
    for (field, value) in paid().as_object().unwrap() {
        assert_eq!(added.data()[field], *value);
    }
    assert_eq!(added.data()["name"], "invoice.paid");
    assert_eq!(app.get_type("invoice.paid").await.body, added.body);

    // A response body is accepted as a request body, and absent fields are cleared.
    let again = app.put_type("invoice.paid", added.data()).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    let mut same = again.data().clone();
    same["updatedAt"] = added.data()["updatedAt"].clone();
    assert_eq!(same, *added.data());
    let bare = app
        .put_type("invoice.paid", &json!({"description": ""}))
        .await;
    assert_eq!(bare.status, StatusCode::OK, "{bare:?}");
    for (field, value) in [
        ("description", json!("")),
        ("schema", Value::Null),
        ("example", Value::Null),
        ("group", Value::Null),
        ("deprecated", json!(false)),
        ("createdAt", added.data()["createdAt"].clone()),
    ] {
        assert_eq!(bare.data()[field], value, "{field}");
    }
    assert_eq!(app.get_type("invoice.paid").await.body, bare.body);
}

#[tokio::test]
async fn deleted_types_are_missing_until_they_are_added_again() {
    let app = start().await;
    app.put_type("a", &paid()).await;
    let deleted = app.delete_type("a").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    for gone in [app.get_type("a").await, app.delete_type("a").await] {
        let error = gone.must_fail_with(404, "NOT_FOUND");
        assert_eq!(error["message"], "No such event type.");
    }
    assert_eq!(app.types_page("").await, (Vec::new(), None));
    let added = app.put_type("a", &json!({"description": ""})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert_eq!(added.data()["example"], Value::Null);
}

#[tokio::test]
async fn invalid_types_are_rejected_by_field() {
    let app = start().await;
    let long = "é".repeat(1_001);
    for (body, wrong) in [
        (json!({}), &["description"][..]),
        (json!({"description": null}), &["description"]),
        (json!({"description": long}), &["description"]),
        (json!({"description": "\u{0}"}), &["description"]),
        (json!({"description": "", "group": ""}), &["group"]),
        (
            json!({"description": "", "group": "x".repeat(65)}),
            &["group"],
        ),
        (json!({"description": "", "schema": []}), &["schema"]),
        (
            json!({"description": "", "schema": {"type": "int"}}),
            &["schema"],
        ),
        (
            json!({"description": "", "schema": {"$schema": "https://json-schema.org/draft-07/schema"}}),
            &["schema"],
        ),
        (
            json!({"description": 1, "deprecated": null, "color": "red", "group": 7}),
            &["color", "deprecated", "description", "group"],
        ),
    ] {
        app.put_type("a", &body).await.must_be_invalid(wrong);
    }
    app.get_type("a").await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn invalid_names_are_rejected_or_not_found() {
    let app = start().await;
    let longest = "x".repeat(128);
    let added = app.put_type(&longest, &json!({"description": ""})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    app.aws.wire.take();
    for name in [
        "test.ping",
        "invoice.*",
        "*",
        "a%2Fb",
        "...",
        "a..b",
        "%FF",
        "%00",
        "%C3%A9",
        "a%20b",
        "a%23b",
        &"x".repeat(129),
    ] {
        let put = app.put_type(name, &json!({"description": ""})).await;
        put.must_be_invalid(&["name"]);
        for missing in [app.get_type(name).await, app.delete_type(name).await] {
            missing.must_fail_with(404, "NOT_FOUND");
        }
    }
    assert!(app.aws.wire.take().is_empty());
    // Needless percent-encoding does not change the name.
    let same = app.get_type(&longest.replace('x', "%78")).await;
    assert_eq!(same.data()["name"], longest);
}

#[tokio::test]
async fn hostile_schemas_and_examples_are_rejected() {
    let app = start().await;
    let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let deep_schema = |depth: usize| {
        let (open, close) = (r#"{"not":"#.repeat(depth), "}".repeat(depth));
        format!("{open}true{close}")
    };
    for (field, value) in [
        ("example", deep(10_000)),
        ("example", deep(129)),
        ("schema", deep_schema(6_000)),
        ("schema", deep_schema(129)),
        ("example", r#"{"a":1,"a":2}"#.to_owned()),
        ("example", r#"[{"b":{"a":1,"\u0061":2}}]"#.to_owned()),
        ("schema", r#"{"type":"object","type":"string"}"#.to_owned()),
        ("schema", r#"{"properties":{"a":{},"a":{}}}"#.to_owned()),
        ("example", r#"{"\ud800":1}"#.to_owned()),
    ] {
        let body = format!(r#"{{"description":"","{field}":{value}}}"#);
        let answer = put_text(&app, "a", body).await;
        answer.must_be_invalid(&[field]);
    }
    for (field, value) in [
        ("example", deep(128)),
        ("schema", deep_schema(128)),
        ("example", r#""\ud800""#.to_owned()),
        ("example", "1e999".to_owned()),
    ] {
        let body = format!(r#"{{"description":"","{field}":{value}}}"#);
        let put = app
            .api
            .by_platform(Method::PUT, "/event-types/a")
            .header("content-type", "application/json");
        // The response is not parsed here, because not every JSON parser accepts these
        // values.
        let put = put.body(body).send().await.unwrap();
        assert!(put.status().is_success(), "{}", put.text().await.unwrap());
        assert!(put.text().await.unwrap().contains(&value), "{field}");
    }
    let twice = r#"{"description":"","description":""}"#.to_owned();
    put_text(&app, "a", twice)
        .await
        .must_be_invalid(&["description"]);
    for bytes in [64 * 1024, 1024 * 1024] {
        let body = format!(r#"{{"description":"","example":"{}"}}"#, "x".repeat(bytes));
        let large = put_text(&app, "a", body).await;
        large.must_fail_with(413, "PAYLOAD_TOO_LARGE");
    }
}

#[tokio::test]
async fn schemas_and_examples_are_shown_as_they_were_written() {
    let app = start().await;
    let schema = r#"{ "type" : "object", "maximum": 1e2 }"#;
    let example = r#"{"n": 12345678901234567890.10, "a" :[ 1e2 ]}"#;
    let body = format!(r#"{{"description":"","schema":{schema},"example":{example}}}"#);
    put_text(&app, "a", body).await;
    for path in ["/event-types/a", "/event-types"] {
        let shown = app.api.by_platform(Method::GET, path).send().await.unwrap();
        let text = shown.text().await.unwrap();
        assert!(text.contains(schema) && text.contains(example), "{text}");
    }
}

#[tokio::test]
async fn types_are_listed_in_pages_and_filtered() {
    let app = start().await;
    let names = [
        ("order", None),
        ("order.placed", Some("Orders")),
        ("order-x.y", Some("Other")),
        ("orders.sent", Some("Orders")),
        ("invoice.paid", Some("Billing")),
        ("invoice.sent", Some("Billing")),
        ("Zebra", Some("Orders")),
    ];
    join_all(names.map(async |(name, group)| {
        let body = json!({"description": "", "group": group});
        assert_eq!(app.put_type(name, &body).await.status, StatusCode::CREATED);
    }))
    .await;
    for prefix in ["", "o", "order", "order.", "none", "Z"] {
        for group in ["", "Orders", "Billing", "none"] {
            let found: BTreeSet<_> = names
                .iter()
                .filter(|(name, of)| {
                    name.starts_with(prefix) && (group.is_empty() || *of == Some(group))
                })
                .map(|(name, _)| (*name).to_owned())
                .collect();
            let sorted: Vec<_> = found.into_iter().collect();
            for limit in [1, 2, 100] {
                let query = format!("prefix={prefix}&group={group}&limit={limit}");
                let (mut seen, mut cursor) = app.types_page(&query).await;
                while let Some(next) = cursor {
                    // Every page but the last is full.
                    assert_eq!(seen.len() % limit, 0, "{query}");
                    let (more, then) = app.types_page(&format!("{query}&cursor={next}")).await;
                    assert!(!more.is_empty(), "the last page is empty");
                    seen.extend(more);
                    cursor = then;
                }
                assert_eq!(seen, sorted, "{query}");
            }
        }
    }
    let (_, cursor) = app.types_page("prefix=order&group=Orders&limit=1").await;
    let cursor = cursor.unwrap();
    for (query, wrong) in [
        (format!("cursor={cursor}"), &["cursor"][..]),
        (format!("prefix=order&cursor={cursor}"), &["cursor"]),
        (
            format!("prefix=orde&group=Orders&cursor={cursor}"),
            &["cursor"],
        ),
        ("cursor=x".to_owned(), &["cursor"]),
        (
            "limit=0&prefix=a%23&group=%0A".to_owned(),
            &["limit", "prefix", "group"],
        ),
        ("limit=1&limit=2".to_owned(), &["limit"]),
    ] {
        let answer = app.on_types(Method::GET, &format!("?{query}"), None).await;
        answer.must_be_invalid(wrong);
    }
}

#[tokio::test]
async fn pages_of_large_types_stay_below_lambdas_response_limit() {
    let app = start().await;
    let example = "x".repeat(60_000);
    let names: Vec<_> = (0..40).map(|n| format!("t{n:02}")).collect();
    for (index, name) in names.iter().enumerate() {
        let group = ["even", "odd"][index % 2];
        let body = json!({"description": "", "example": example, "group": group});
        app.put_type(name, &body).await;
    }
    for (filter, expected) in [
        ("", names.clone()),
        (
            "&group=odd",
            names.iter().skip(1).step_by(2).cloned().collect(),
        ),
    ] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}"));
            let path = format!(
                "/event-types?limit=100{filter}{}",
                after.unwrap_or_default()
            );
            let page = app.api.by_platform(Method::GET, &path).send().await;
            let text = page.unwrap().text().await.unwrap();
            assert!(text.len() < 2_000_000, "{}", text.len());
            let page: Value = serde_json::from_str(&text).unwrap();
            let items = page["data"]["items"].as_array().unwrap();
            seen.extend(
                items
                    .iter()
                    .map(|item| item["name"].as_str().unwrap().to_owned()),
            );
            pages += 1;
            cursor = page["data"]["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected);
        assert!(pages > 1, "{pages}");
    }
}

#[tokio::test]
async fn apps_share_the_catalogue_and_cannot_change_it() {
    let app = start().await;
    let added = app.put_type("invoice.paid", &paid()).await;
    let (_, other) = app.other_app().await;
    for key in [app.key.expose(), other.expose(), app.platform_key.expose()] {
        let request = |method, path: &str| app.api.bare(method, path).header("x-api-key", key);
        let got = answer(request(Method::GET, "/event-types/invoice.paid")).await;
        assert_eq!(got.data(), added.data());
        let listed = answer(request(Method::GET, "/event-types")).await;
        assert_eq!(listed.data()["items"], json!([added.data()]));
        if key == app.platform_key.expose() {
            continue;
        }
        for (method, name) in [
            (Method::PUT, "invoice.paid"),
            (Method::PUT, "new"),
            (Method::DELETE, "invoice.paid"),
            (Method::DELETE, "%FF"),
        ] {
            let path = format!("/event-types/{name}");
            let refused = answer(request(method, &path).json(&paid())).await;
            refused.must_fail_with(403, "FORBIDDEN");
        }
    }
    // Deleting an app does not affect the catalogue.
    let path = format!("/apps/{}", app.app_id);
    answer(app.api.by_platform(Method::PUT, &path).json(&json!({}))).await;
    answer(app.api.by_platform(Method::DELETE, &path)).await;
    assert_eq!(app.get_type("invoice.paid").await.data(), added.data());
}

#[tokio::test]
async fn full_catalogues_accept_changes_but_no_new_types() {
    let app = start().await;
    app.must_add_types(&["kept", "removed"]).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let others = (0..998).map(|n| format!("other{n}"));
    app.aws
        .clients
        .dynamodb
        .update_item()
        .table_name(&app.aws.resources.table_name)
        .key("pk", text("TYPES#ALL"))
        .key("sk", text("NAMES"))
        .update_expression("ADD #names :others")
        .expression_attribute_names("#names", attribute::TYPE_NAMES)
        .expression_attribute_values(":others", AttributeValue::Ss(others.collect()))
        .send()
        .await
        .expect("fill the catalogue");
    let full = app.put_type("new", &paid()).await;
    full.must_fail_with(409, "CONFLICT");
    app.get_type("new").await.must_fail_with(404, "NOT_FOUND");
    assert_eq!(app.put_type("kept", &paid()).await.status, StatusCode::OK);
    app.delete_type("removed").await;
    assert_eq!(
        app.put_type("new", &paid()).await.status,
        StatusCode::CREATED
    );
    app.put_type("another", &paid())
        .await
        .must_fail_with(409, "CONFLICT");
}
