//! Properties that hold for any filter and any data.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::wildcard::Wildcard;
use super::{Data, Filter};

/// JSON with few different names and values, so that filters often match.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i32..3).prop_map(Value::from),
        "[ab*]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let name = prop_oneof![
            Just("a"),
            Just("b"),
            Just("$or"),
            Just("exists"),
            Just("prefix"),
            Just("numeric"),
            Just("anything-but"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|fields| {
                let fields = fields.into_iter();
                Value::Object(
                    fields
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// A filter for exactly the scalar fields of an object. Empty if it has none.
fn filter_for(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut filter = Map::new();
    for (name, value) in fields {
        match value {
            Value::Object(below) => {
                let below = filter_for(below);
                if !below.is_empty() {
                    filter.insert(name.clone(), Value::Object(below));
                }
            }
            Value::Array(_) => {}
            leaf => {
                filter.insert(name.clone(), json!([leaf]));
            }
        }
    }
    filter.remove("$or");
    filter
}

/// Whether a wildcard matches, by backtracking.
fn matches_by_backtracking(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            (0..=text.len()).any(|skipped| matches_by_backtracking(rest, &text[skipped..]))
        }
        ([c, rest @ ..], [d, others @ ..]) if c == d => matches_by_backtracking(rest, others),
        _ => false,
    }
}

proptest! {
    #[test]
    fn json_is_a_filter_or_is_rejected_with_paths(json in any_json(), data in any_json()) {
        let data = data.to_string();
        match Filter::parse(&json.to_string()) {
            Ok(filter) => {
                let data = Data::of(&data);
                let matcher = filter.compile().unwrap();
                prop_assert_eq!(matcher.matches(&data), matcher.failed_at(&data).is_none());
                prop_assert_eq!(&Filter::parse(filter.as_str()).unwrap(), &filter);
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                prop_assert!(errors.iter().all(|error| error.field.starts_with("filter")));
            }
        }
    }

    #[test]
    fn filters_for_the_data_itself_match(data in any_json()) {
        let Value::Object(fields) = &data else { return Ok(()) };
        let filter = Value::Object(filter_for(fields));
        prop_assume!(filter != json!({}));
        let matcher = Filter::parse(&filter.to_string()).unwrap().compile().unwrap();
        prop_assert!(matcher.matches(&Data::of(&data.to_string())));
    }

    #[test]
    fn values_either_exist_or_are_absent(data in any_json(), name in "[ab]") {
        let matches = |exists: bool| {
            let filter = json!({&name: {"a": [{"exists": exists}]}}).to_string();
            Filter::parse(&filter).unwrap().compile().unwrap().matches(&Data::of(&data.to_string()))
        };
        prop_assert_ne!(matches(true), matches(false));
    }

    #[test]
    fn wildcards_match_as_by_backtracking(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        prop_assume!(!pattern.contains("**"));
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = matches_by_backtracking(&chars(&pattern), &chars(&text));
        prop_assert_eq!(Wildcard::parse(&pattern).unwrap().matches(&text), expected);
    }
}
