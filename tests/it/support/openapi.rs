//! openapi.json, and whether an answer is as it says.

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

/// Headers that HTTP itself has an answer have.
const OF_HTTP: [&str; 3] = ["content-length", "content-type", "date"];

/// What a reference of the document stands for; anything else is itself.
pub fn resolved(value: &'static Value) -> &'static Value {
    let Some(reference) = value.get("$ref") else {
        return value;
    };
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    let found = pointer.and_then(|pointer| DOCUMENT.pointer(pointer));
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Everything that is wrong with `instance` by a schema of the document.
pub fn faults(schema: &Value, instance: &Value) -> Vec<String> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
        LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().expect("lock the compiled schemas");
    let validator = Arc::clone(
        compiled
            .entry(schema.to_string())
            .or_insert_with(|| Arc::new(compile(schema))),
    );
    // Before a test may panic over the faults.
    drop(compiled);
    validator
        .iter_errors(instance)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

fn compile(schema: &Value) -> Validator {
    let mut schema = schema.clone();
    // Where its references lead.
    schema["components"] = json!({"schemas": DOCUMENT["components"]["schemas"]});
    jsonschema::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(&schema)
        .expect("compile the schema")
}

/// Asserts that the document has this answer to this request.
#[track_caller]
pub fn assert_described(method: &Method, path: &str, answer: &Answer) {
    let status = answer.status.as_str();
    let response = described_response(method, path, status)
        .unwrap_or_else(|| panic!("{status} of {method} {path} is not in openapi.json"));
    let faults = [
        body_faults(method, response, &answer.body),
        header_faults(response, answer),
    ];
    let faults = faults.concat();
    assert!(
        faults.is_empty(),
        "{method} {path} is not as openapi.json says: {faults:#?}\n{answer:?}"
    );
}

/// What the document says of an answer. A path or a method that it does not
/// have is missing or refused.
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
        .find(|(template, _)| is_of(template, path))
        .map(|(_, item)| item)
}

/// Whether a path is of a template, in which `{name}` stands for any segment.
fn is_of(template: &str, path: &str) -> bool {
    let (templates, segments) = (template.split('/'), path.split('/'));
    templates.clone().count() == segments.clone().count()
        && templates
            .zip(segments)
            .all(|(template, segment)| match template.starts_with('{') {
                true => !segment.is_empty(),
                false => template == segment,
            })
}

fn body_faults(method: &Method, response: &Value, body: &Value) -> Vec<String> {
    match response.pointer("/content/application~1json/schema") {
        Some(_) if *method == Method::HEAD => faults(&json!({"type": "null"}), body),
        Some(schema) => faults(schema, body),
        None => faults(&json!({"type": "null"}), body),
    }
}

fn header_faults(response: &'static Value, answer: &Answer) -> Vec<String> {
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
                found.extend(faults(&header["schema"], &value));
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
