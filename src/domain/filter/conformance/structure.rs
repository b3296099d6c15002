//! Absent fields, alternatives and lists.

use super::{INSTANCE, check};

#[test]
fn exists() {
    let filter = r#"{"detail": {"c-count": [{"exists": true}]}}"#;
    let below = r#"{"detail": {"c-count": {"c1": 100}}}"#;
    check(
        filter,
        &[INSTANCE, r#"{"detail": {"c-count": null}}"#],
        // Only scalars exist.
        &[
            r#"{"detail": {}}"#,
            "{}",
            below,
            r#"{"detail": {"c-count": []}}"#,
        ],
    );
    let filter = r#"{"detail": {"c-count": [{"exists": false}]}}"#;
    check(
        filter,
        &[r#"{"detail": {"state": "running"}}"#, "{}", "7", below],
        &[INSTANCE, r#"{"detail": {"c-count": null}}"#],
    );
    check(
        r#"{"detail": {"state": ["running"], "c-count": [{"exists": false}, 5]}}"#,
        &[INSTANCE, r#"{"detail": {"state": "running"}}"#],
        &[r#"{"detail": {"state": "running", "c-count": 6}}"#, "{}"],
    );
    // A field is not absent if any element of a list has it.
    check(
        r#"{"a": {"b": [{"exists": false}], "c": [1]}}"#,
        &[
            r#"{"a": [{"c": 1}, {"c": 2}]}"#,
            r#"{"a": {"c": 1, "b": {}}}"#,
        ],
        &[r#"{"a": [{"c": 1}, {"b": 2}]}"#],
    );
}

#[test]
fn or() {
    check(
        r#"{"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}"#,
        &[
            r#"{"Location": "New York", "Day": "Friday"}"#,
            r#"{"Day": "Monday"}"#,
        ],
        &[r#"{"Location": "Berlin", "Day": "Friday"}"#, "{}"],
    );
    check(
        r#"{"detail": {"$or": [{"c-count": [{"numeric": [">", 0, "<=", 5]}]},
                               {"d-count": [{"numeric": ["<", 10]}]},
                               {"x-limit": [{"numeric": ["=", 3.018e2]}]}]}}"#,
        &[
            INSTANCE,
            r#"{"detail": {"d-count": 9}}"#,
            r#"{"detail": {"x-limit": 301.8}}"#,
        ],
        &[r#"{"detail": {"d-count": 10, "c-count": 6}}"#],
    );
    let nested = r#"{"source": ["aws.cloudwatch"],
        "$or": [
          {"metricName": ["CPUUtilization", "ReadLatency"]},
          {"metricType": ["MetricType"], "namespace": ["AWS/EC2", "AWS/ES"],
           "$or": [{"metricId": [1234]}, {"spaceId": [1000]}]},
          {"scope": ["Service"]}]}"#;
    check(
        nested,
        &[
            r#"{"source": "aws.cloudwatch", "metricName": "ReadLatency"}"#,
            r#"{"source": "aws.cloudwatch", "scope": "Service"}"#,
            r#"{"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1000}"#,
        ],
        &[
            r#"{"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES"}"#,
            r#"{"scope": "Service"}"#,
        ],
    );
}

#[test]
fn lists() {
    // The two lists must have an element in common.
    check(
        r#"{"resources": ["a", "b"]}"#,
        &[
            r#"{"resources": ["x", "b"]}"#,
            r#"{"resources": "a"}"#,
            r#"{"resources": [["x", ["a"]]]}"#,
        ],
        &[r#"{"resources": ["x"]}"#, r#"{"resources": []}"#],
    );
    // All fields have to match within one element.
    let employees = r#"{"employees": [
        {"firstName": "John", "lastName": "Doe", "ids": [1, 2]},
        {"firstName": "Anna", "lastName": "Smith", "ids": [3]},
        {"firstName": "Peter", "lastName": "Jones"}]}"#;
    check(
        r#"{"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}}"#,
        &[employees],
        &[],
    );
    check(
        r#"{"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}"#,
        &[],
        &[employees],
    );
    check(
        r#"{"employees": {"firstName": ["John"], "ids": [3]}}"#,
        &[],
        &[employees],
    );
    check(
        r#"{"employees": {"lastName": ["Doe"], "ids": [2]}}"#,
        &[employees],
        &[],
    );
    // The data itself may be a list.
    check(
        r#"{"a": [1]}"#,
        &[r#"[{"a": 2}, {"a": 1}]"#],
        &["[]", "[1]", r#"[{"a": 2}]"#],
    );
}

#[test]
fn complex_example() {
    check(
        r#"{"time": [{"prefix": "2017-10-02"}],
            "detail": {
              "state": [{"anything-but": "initializing"}],
              "c-count": [{"numeric": [">", 0, "<=", 5]}],
              "d-count": [{"numeric": ["<", 10]}],
              "x-limit": [{"anything-but": [100, 200, 300]}],
              "source-ip": [{"cidr": "10.0.0.0/8"}]}}"#,
        &[INSTANCE],
        &[],
    );
}
