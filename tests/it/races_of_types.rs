//! Concurrent calls on the catalogue of event types.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::catalogue::TypeNames;

use crate::support::{Options, TestApp};

const ROUNDS: usize = 5;

/// Asserts that the list of types and the item of names have exactly these types.
async fn must_have(app: &TestApp, expected: &[&str]) {
    assert_eq!(app.types_page("").await, (owned(expected), None));
    let names = app.aws.table().event_type_names().await.unwrap();
    assert_eq!(names, owned(expected).into_iter().collect::<TypeNames>());
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn body(description: usize) -> Value {
    json!({"description": description.to_string()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_puts_adds_the_type() {
    let app = TestApp::start_with(Options::idle()).await;
    for round in 0..ROUNDS {
        let name = format!("t{round}");
        let bodies: Vec<_> = (0..6).map(body).collect();
        let puts = join_all(bodies.iter().map(|body| app.put_type(&name, body))).await;
        let statuses: Vec<_> = puts.iter().map(|put| put.status.as_u16()).collect();
        let added = statuses.iter().filter(|status| **status == 201).count();
        assert_eq!(added, 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 201].contains(status)));
        let times = puts.iter().map(|put| put.data()["createdAt"].as_str());
        assert_eq!(times.collect::<BTreeSet<_>>().len(), 1);
        app.delete_type(&name).await;
    }
    must_have(&app, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_types_are_added_concurrently() {
    let app = TestApp::start_with(Options::idle()).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let body = body(0);
    let puts = join_all(names.map(|name| app.put_type(name, &body))).await;
    for put in puts {
        assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
    }
    must_have(&app, &names).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletion_during_puts_leaves_the_whole_type_or_nothing() {
    let app = TestApp::start_with(Options::idle()).await;
    for _ in 0..ROUNDS {
        app.put_type("a", &body(0)).await;
        let bodies: Vec<_> = (1..4).map(body).collect();
        let puts = join_all(bodies.iter().map(|body| app.put_type("a", body)));
        let deletions = join_all((0..2).map(|_| app.delete_type("a")));
        let (puts, deletions) = tokio::join!(puts, deletions);
        for put in &puts {
            assert!(put.status.is_success(), "{put:?}");
        }
        let deleted = |status| deletions.iter().filter(|one| one.status == status).count();
        let gone = deleted(StatusCode::NO_CONTENT);
        assert!(gone >= 1, "{deletions:?}");
        assert_eq!(gone + deleted(StatusCode::NOT_FOUND), 2, "{deletions:?}");
        // Each deletion after the first needs a type that was added again meanwhile.
        let added = puts.iter().filter(|put| put.status == StatusCode::CREATED);
        let added = added.count();
        match app.get_type("a").await.status {
            StatusCode::OK => {
                assert_eq!(added, gone);
                must_have(&app, &["a"]).await;
            }
            _ => {
                assert_eq!(added + 1, gone);
                must_have(&app, &[]).await;
            }
        }
    }
}
