//! Converts items from and to DynamoDB's JSON, as in `{"pk": {"S": "..."}}`.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// An item's attributes by name.
pub type Item = HashMap<String, AttributeValue>;

pub fn item_to_json(item: &Item) -> Value {
    let sorted: BTreeMap<_, _> = item
        .iter()
        .map(|(name, value)| (name.clone(), to_json(value)))
        .collect();
    json!(sorted)
}

pub fn item_of_json(item: &Value) -> Item {
    let attributes = item.as_object().expect("read the item").iter();
    attributes
        .map(|(name, value)| (name.clone(), of_json(value)))
        .collect()
}

pub fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": STANDARD.encode(bytes) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::L(values) => {
            json!({ "L": values.iter().map(to_json).collect::<Vec<_>>() })
        }
        AttributeValue::M(item) => json!({ "M": item_to_json(item) }),
        AttributeValue::Ss(texts) => {
            let mut texts = texts.clone();
            texts.sort_unstable();
            json!({ "SS": texts })
        }
        other => panic!("the table has no such value: {other:?}"),
    }
}

pub fn of_json(value: &Value) -> AttributeValue {
    let (kind, value) = value
        .as_object()
        .and_then(|typed| typed.iter().next())
        .expect("read the attribute");
    let text = || value.as_str().expect("read the text").to_owned();
    let list = || value.as_array().expect("read the list").iter();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(Blob::new(STANDARD.decode(text()).expect("decode"))),
        "BOOL" => AttributeValue::Bool(value.as_bool().expect("read the boolean")),
        "L" => AttributeValue::L(list().map(of_json).collect()),
        "M" => AttributeValue::M(item_of_json(value)),
        "SS" => {
            let texts = list().map(|text| text.as_str().expect("read the text").to_owned());
            AttributeValue::Ss(texts.collect())
        }
        other => panic!("the table has no such value: {other}"),
    }
}
