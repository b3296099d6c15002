//! DynamoDB's capacity units, computed from stored items and sent requests by the rules
//! that AWS documents ("DynamoDB item sizes and formats", "DynamoDB read and write
//! operations").

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ProjectionType};
use local::template::TableTemplate;
use serde_json::Value;

use super::item_json::Item;
use super::wire::Request;

/// Bytes per write unit.
pub const WRITE_UNIT: usize = 1024;

/// Bytes per strongly consistent read unit.
const READ_UNIT: usize = 4096;

/// The bytes of an item: attribute names and values.
pub fn size_of(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + size_of_value(value))
        .sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(number) => size_of_number(number),
        AttributeValue::Bool(_) => 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|v| 1 + size_of_value(v)).sum::<usize>(),
        AttributeValue::M(item) => 3 + size_of(item) + item.len(),
        other => panic!("unexpected attribute: {other:?}"),
    }
}

/// One byte per two significant digits, plus one, plus one more if the number is negative.
fn size_of_number(number: &str) -> usize {
    let digits = number.trim_start_matches('-');
    let significant = digits.trim_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(digits.len() < number.len())
}

fn write_units(bytes: usize) -> usize {
    bytes.div_ceil(WRITE_UNIT).max(1)
}

/// The items of a table at one moment, by partition and sort key.
pub struct Snapshot(HashMap<(String, String), Item>);

/// The cost of writing one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The prefix of the item's sort key, such as `V`, `D` or `E`.
    pub kind: String,
    /// The item's bytes after the write.
    pub bytes: usize,
    /// Write units of the table.
    pub table: usize,
    /// Write units of each index.
    pub indexes: Vec<usize>,
}

impl Snapshot {
    pub fn of(items: Vec<Item>) -> Self {
        let part = |item: &Item, name: &str| item[name].as_s().expect("read the key").clone();
        let keyed = items
            .into_iter()
            .map(|item| ((part(&item, "pk"), part(&item, "sk")), item));
        Self(keyed.collect())
    }

    /// Returns the writes that lead from this snapshot to `after`, if each item was written
    /// at most once.
    pub fn writes_to(&self, after: &Self, table: &TableTemplate) -> Vec<Written> {
        let mut written = Vec::new();
        for (key, new) in &after.0 {
            let old = self.0.get(key);
            if old == Some(new) {
                continue;
            }
            let (before, bytes) = (old.map_or(0, size_of), size_of(new));
            written.push(Written {
                kind: key.1.split('#').next().unwrap_or_default().to_owned(),
                bytes,
                // DynamoDB charges an update by the larger of the item's sizes before and
                // after.
                table: write_units(before.max(bytes)),
                indexes: (0..table.indexes.len())
                    .map(|index| index_units(table, index, old, new))
                    .collect(),
            });
        }
        written.sort_by(|a, b| a.kind.cmp(&b.kind));
        written
    }

    /// Returns the read units of a request, or `None` for a write.
    pub fn reads_of(&self, request: &Request, table: &TableTemplate) -> Option<f64> {
        let body = request.body();
        let size = |bytes: usize| bytes.div_ceil(READ_UNIT).max(1);
        let item = |key: &Value| {
            let part = |name: &str| key[name]["S"].as_str().unwrap_or_default().to_owned();
            self.0.get(&(part("pk"), part("sk"))).map_or(0, size_of)
        };
        let (units, is_consistent) = match request.operation.as_str() {
            "GetItem" => (size(item(&body["Key"])), &body["ConsistentRead"]),
            "BatchGetItem" => {
                let tables = body["RequestItems"].as_object()?.values().next()?;
                let keys = tables["Keys"].as_array()?.iter();
                let units = keys.map(|key| size(item(key))).sum();
                (units, &tables["ConsistentRead"])
            }
            "Query" => (size(self.queried(&body, table)), &body["ConsistentRead"]),
            _ => return None,
        };
        let each = if *is_consistent == true { 1.0 } else { 0.5 };
        Some(units as f64 * each)
    }

    /// Returns the bytes that a query reads. Filters and projections do not reduce them.
    fn queried(&self, body: &Value, table: &TableTemplate) -> usize {
        let index = body["IndexName"].as_str().map(|name| {
            let mut indexes = table.indexes.iter();
            indexes
                .position(|index| index.index_name() == name)
                .expect("find the index")
        });
        let name = |part: &str| {
            body["ExpressionAttributeNames"][part]
                .as_str()
                .unwrap_or("")
        };
        let value = |part: &str| {
            let value = &body["ExpressionAttributeValues"][part]["S"];
            value.as_str().unwrap_or_default()
        };
        let condition = body["KeyConditionExpression"].as_str().unwrap_or_default();
        let condition = condition.replace(['(', ')', ','], " ");
        let words: Vec<_> = condition.split_whitespace().collect();
        let is_wanted = |item: &Item| {
            let text = |part: &str| item.get(name(part)).and_then(|value| value.as_s().ok());
            let (Some(pk), Some(sk)) = (text("#pk"), text("#sk").or(Some(pk_of(item)))) else {
                return false;
            };
            // Every condition of the service begins with `#pk = :value`. A range of sort
            // keys may follow.
            let in_range = match words[3..] {
                [] => true,
                ["AND", "begins_with", "#sk", prefix] => sk.starts_with(value(prefix)),
                ["AND", "#sk", "BETWEEN", from, "AND", to] => {
                    (value(from)..=value(to)).contains(&sk.as_str())
                }
                ["AND", "#sk", "<", most] => sk.as_str() < value(most),
                ["AND", "#sk", ">", least] => sk.as_str() > value(least),
                _ => panic!("unknown condition {condition}"),
            };
            pk == value(words[2]) && in_range
        };
        let mut found: Vec<_> = self.0.iter().filter(|(_, item)| is_wanted(item)).collect();
        found.sort_by_key(|(key, _)| key.1.clone());
        if body["ScanIndexForward"] == false {
            found.reverse();
        }
        if let Some(start) = body["ExclusiveStartKey"]["sk"]["S"].as_str() {
            let position = found.iter().position(|(key, _)| key.1 == start);
            found.drain(..=position.expect("find the start key"));
        }
        let limit = body["Limit"]
            .as_u64()
            .map_or(usize::MAX, |limit| limit as usize);
        let found = found.into_iter().take(limit);
        found
            .map(|(_, item)| match index {
                None => size_of(item),
                Some(index) => entry(table, index, item).map_or(0, |entry| size_of(&entry)),
            })
            .sum()
    }
}

fn pk_of(item: &Item) -> &String {
    item["pk"].as_s().expect("read the key")
}

/// Returns an item's entry in an index: its projected attributes, or `None` if the item
/// lacks one of the index's keys (the index is sparse).
fn entry(table: &TableTemplate, index: usize, item: &Item) -> Option<Item> {
    let index = &table.indexes[index];
    let keys = index.key_schema().iter();
    let keys: Vec<_> = keys.map(|key| key.attribute_name()).collect();
    if keys.iter().any(|key| !item.contains_key(*key)) {
        return None;
    }
    let projection = index.projection().expect("an index has a projection");
    assert_eq!(projection.projection_type(), Some(&ProjectionType::Include));
    let more = projection.non_key_attributes();
    let is_in = |name: &String| {
        keys.contains(&name.as_str())
            || ["pk", "sk"].contains(&name.as_str())
            || more.contains(name)
    };
    let entry = item.iter().filter(|(name, _)| is_in(name));
    Some(
        entry
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Returns the units that writing an item costs in an index: none if the entry stays the
/// same, one write if it changes in place, and two (a delete and a put) if its key changes.
fn index_units(table: &TableTemplate, index: usize, old: Option<&Item>, new: &Item) -> usize {
    let old = old.and_then(|item| entry(table, index, item));
    let new = entry(table, index, new);
    let keys = table.indexes[index].key_schema();
    match (old, new) {
        (None, None) => 0,
        (Some(entry), None) | (None, Some(entry)) => write_units(size_of(&entry)),
        (Some(old), Some(new)) if old == new => 0,
        (Some(old), Some(new)) => {
            let stays = keys.iter().all(|key| {
                let name = key.attribute_name();
                old.get(name) == new.get(name)
            });
            match stays {
                true => write_units(size_of(&old).max(size_of(&new))),
                false => write_units(size_of(&old)) + write_units(size_of(&new)),
            }
        }
    }
}
