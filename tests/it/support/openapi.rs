//! Checks that responses conform to openapi.json.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use super::Answer;

/// The committed document.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../openapi.json");
    serde_json::from_str(text).expect("parse openapi.json")
});

/// Headers that the HTTP server adds to every response.
const OF_HTTP: [&str; 3] = ["content-length", "content-type", "date"];

/// Follows a `$ref`. Returns any other value as it is.
pub fn resolved(value: &'static Value) -> &'static Value {
    let Some(reference) = value.get("$ref") else {
        return value;
    };
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    let found = pointer.and_then(|pointer| DOCUMENT.pointer(pointer));
    found.unwrap_or_else(|| panic!("{reference} does not exist"))
}

/// Validates `instance` against a schema of the document, and returns all errors.
pub fn errors(schema: &Value, instance: &Value) -> Vec<String> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
        LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().expect("lock the compiled schemas");
    let validator = Arc::clone(
        compiled
            .entry(schema.to_string())
            .or_insert_with(|| Arc::new(compile(schema))),
    );
    // Unlock first: a panic below would poison the mutex for every other test.
    drop(compiled);
    validator
        .iter_errors(instance)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn compile(schema: &Value) -> Validator {
    let mut schema = schema.clone();
    // So that references into the document resolve.
    schema["components"] = json!({"schemas": DOCUMENT["components"]["schemas"]});
    jsonschema::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(&schema)
        .expect("compile the schema")
}

/// Asserts that the document describes this response to this request.
#[track_caller]
pub fn assert_described(method: &Method, path: &str, answer: &Answer) {
    let status = answer.status.as_str();
    let response = described_response(method, path, status)
        .unwrap_or_else(|| panic!("{status} of {method} {path} is not in openapi.json"));
    let errors = [
        body_errors(method, response, &answer.body),
        header_errors(response, answer),
    ];
    let errors = errors.concat();
    assert!(
        errors.is_empty(),
        "{method} {path} does not match openapi.json: {errors:#?}\n{answer:?}"
    );
}

/// Returns the document's description of a response. Paths that it lacks must be answered
/// with 404, methods with 405.
fn described_response(method: &Method, path: &str, status: &str) -> Option<&'static Value> {
    let general = |name, its_status| {
        let response = &DOCUMENT["components"]["responses"][name];
        (status == its_status).then_some(response)
    };
    let Some(item) = path_item(path) else {
        return general("NotFound", "404");
    };
    let name = match *method {
        Method::HEAD => "get".to_owned(),
        _ => method.as_str().to_ascii_lowercase(),
    };
    match item.get(name) {
        Some(operation) => operation["responses"].get(status).map(resolved),
        None => general("MethodNotAllowed", "405"),
    }
}

fn path_item(path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().expect("read the paths");
    paths
        .iter()
        .find(|(template, _)| matches_template(template, path))
        .map(|(_, item)| item)
}

/// Returns whether a path matches a template, in which `{name}` stands for any segment.
fn matches_template(template: &str, path: &str) -> bool {
    let (templates, segments) = (template.split('/'), path.split('/'));
    templates.clone().count() == segments.clone().count()
        && templates
            .zip(segments)
            .all(|(template, segment)| match template.starts_with('{') {
                true => !segment.is_empty(),
                false => template == segment,
            })
}

fn body_errors(method: &Method, response: &Value, body: &Value) -> Vec<String> {
    match response.pointer("/content/application~1json/schema") {
        Some(_) if *method == Method::HEAD => errors(&json!({"type": "null"}), body),
        Some(schema) => errors(schema, body),
        None => errors(&json!({"type": "null"}), body),
    }
}

fn header_errors(response: &'static Value, answer: &Answer) -> Vec<String> {
    let described = response["headers"].as_object().expect("read the headers");
    let mut found = Vec::new();
    for (name, header) in described {
        let header = resolved(header);
        match answer.headers.get(name) {
            Some(value) => {
                let text = value.to_str().expect("read the header as text");
                let value = match header["schema"]["type"].as_str() {
                    Some("integer") => text.parse::<u64>().map_or(json!(text), Value::from),
                    _ => json!(text),
                };
                found.extend(errors(&header["schema"], &value));
            }
            None if header["required"] == true => found.push(format!("{name} is missing")),
            None => {}
        }
    }
    for name in answer.headers.keys() {
        if !described.contains_key(name.as_str()) && !OF_HTTP.contains(&name.as_str()) {
            found.push(format!("{name} is not described"));
        }
    }
    found
}
