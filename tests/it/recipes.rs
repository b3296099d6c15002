//! docs/signatures.md must have the same recipes as CI, which verifies them with public
//! libraries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use webhook_endpoints::config::read_webhook_headers;
use webhook_endpoints::domain::payload_format::PayloadFormat;
use webhook_endpoints::domain::webhook_headers::WebhookHeaders;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recipes() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join(".ci/signatures/recipes")).unwrap();
    let recipes: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(recipes.len() >= 6, "{recipes:?}");
    recipes
}

#[test]
fn recipes_are_documented_as_verified() {
    let document = std::fs::read_to_string(root().join("docs/signatures.md")).unwrap();
    for recipe in recipes() {
        let block = format!(
            "```json\n{}```\n",
            std::fs::read_to_string(&recipe).unwrap()
        );
        assert!(document.contains(&block), "{recipe:?}");
    }
}

#[test]
fn recipes_use_parameters_that_the_functions_accept() {
    for recipe in recipes() {
        let text = std::fs::read_to_string(&recipe).unwrap();
        let mut parameters: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        let format = parameters.remove("PayloadFormat");
        let format = format.map(|format| format.as_str().unwrap().parse::<PayloadFormat>());
        assert!(!matches!(format, Some(Err(_))), "{recipe:?}");
        let variables: BTreeMap<_, _> = parameters
            .into_iter()
            .map(|(name, value)| {
                let variable = match name.as_str() {
                    "EventHeaders" => "EVENT_HEADERS",
                    "HeaderPrefix" => "HEADER_PREFIX",
                    "SignatureHeaders" => "SIGNATURE_HEADERS",
                    "StandardHeaders" => "STANDARD_HEADERS",
                    _ => panic!("{recipe:?}: {name}"),
                };
                let value = value.as_str().map_or(value.to_string(), str::to_owned);
                (variable, value)
            })
            .collect();
        let headers = read_webhook_headers(&|name| variables.get(name).cloned()).unwrap();
        assert_ne!(headers, WebhookHeaders::default(), "{recipe:?}");
    }
}
