//! What template.yaml and the code have to agree on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use local::template::variables;
use serde_json::Value;
use webhook_endpoints::config::{ApiConfig, ConfigError, DeliverConfig, read_log_level};

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables that `read` looks up.
fn asked<T>(read: fn(Lookup) -> Result<T, ConfigError>) -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        const REQUIRED: [&str; 4] = ["AWS_REGION", "TABLE_NAME", "SECRET_PREFIX", "QUEUE_URL"];
        let is_queue = name.ends_with("_QUEUE_URL");
        (is_queue || REQUIRED.contains(&name)).then(|| "x".to_owned())
    };
    let read = read(&lookup);
    assert!(read.is_ok(), "{:?}", read.err());
    asked.into_inner()
}

fn declared(function: &'static str) -> BTreeSet<String> {
    variables(function).unwrap().into_iter().collect()
}

#[test]
fn functions_get_exactly_the_variables_they_read() {
    let mut api = asked(ApiConfig::read);
    let mut deliver = asked(DeliverConfig::read);
    for function in [&mut api, &mut deliver] {
        function.extend(asked(read_log_level));
        // Lambda itself sets it.
        assert!(function.remove("AWS_REGION"));
        // For development only: no deployment may set it.
        assert!(function.remove("ALLOW_LOOPBACK_TARGETS"));
        assert!(function.remove("AWS_ENDPOINT_URL"));
    }
    // lambda_http reads it.
    api.insert("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH".to_owned());
    assert_eq!(declared("ApiFunction"), api);
    assert_eq!(declared("DeliverFunction"), deliver);
}

#[test]
fn sample_environment_matches_the_template() {
    type Environment = BTreeMap<String, BTreeMap<String, Value>>;
    let sample: Environment = serde_json::from_str(include_str!("../../events/env.json")).unwrap();
    let functions: Vec<_> = sample.keys().map(String::as_str).collect();
    assert_eq!(functions, ["ApiFunction", "DeliverFunction"]);
    for function in ["ApiFunction", "DeliverFunction"] {
        let names: BTreeSet<String> = sample[function].keys().cloned().collect();
        assert_eq!(names, declared(function), "{function}");
    }
}
