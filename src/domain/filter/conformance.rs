//! The examples of Amazon EventBridge's documentation ("Comparison operators for use in
//! event patterns", "Event pattern syntax", "Matching events on null values and empty
//! strings") and of its open-source matcher, Event Ruler, each with data that matches and
//! data that does not.

mod structure;

use super::{Data, Filter};

#[track_caller]
fn check(filter: &str, matching: &[&str], others: &[&str]) {
    let parsed = Filter::parse(filter).and_then(|parsed| parsed.compile());
    let parsed = parsed.unwrap_or_else(|errors| panic!("{filter}: {errors:?}"));
    for data in matching {
        assert!(parsed.matches(&Data::of(data)), "{filter} {data}");
    }
    for data in others {
        assert!(!parsed.matches(&Data::of(data)), "{filter} {data}");
    }
}

const INSTANCE: &str = r#"{
  "version": "0",
  "id": "ddddd4-aaaa-7777-4444-345dd43cc333",
  "detail-type": "EC2 Instance State-change Notification",
  "source": "aws.ec2",
  "account": "012345679012",
  "time": "2017-10-02T16:24:49Z",
  "region": "us-east-1",
  "resources": ["arn:aws:ec2:us-east-1:012345679012:instance/i-000000aaaaaa00000"],
  "detail": {
    "c-count": 5,
    "d-count": 3,
    "x-limit": 301.8,
    "source-ip": "10.0.0.33",
    "instance-id": "i-000000aaaaaa00000",
    "state": "running"
  }
}"#;

#[test]
fn exact_values() {
    check(
        r#"{"detail-type": ["EC2 Instance State-change Notification"],
            "resources": ["arn:aws:ec2:us-east-1:012345679012:instance/i-000000aaaaaa00000"],
            "detail": {"state": ["initializing", "running"]}}"#,
        &[INSTANCE],
        &["{}", "null", "[]", r#"{"detail": {"state": "running"}}"#],
    );
    check(r#"{"source": ["AWS.EC2"]}"#, &[], &[INSTANCE]);
    check(r#"{"source": ["aws.ec"]}"#, &[], &[INSTANCE]);
    check(
        r#"{"Name": ["Alice"]}"#,
        &[r#"{"Name": "Alice"}"#, r#"{"Name": "Al\u0069ce", "x": 1}"#],
        &[
            r#"{"Name": "alice"}"#,
            r#"{"name": "Alice"}"#,
            r#"{"Name": {"Alice": 1}}"#,
        ],
    );
    check(
        r#"{"PaymentType": ["Credit", "Debit"]}"#,
        &[
            r#"{"PaymentType": "Credit"}"#,
            r#"{"PaymentType": "Debit"}"#,
        ],
        &[r#"{"PaymentType": "Cash"}"#],
    );
    check(
        r#"{"Location": ["New York"], "Day": ["Monday"]}"#,
        &[r#"{"Location": "New York", "Day": "Monday"}"#],
        &[r#"{"Location": "New York"}"#, r#"{"Day": "Monday"}"#],
    );
    check(
        r#"{"on": [true, false]}"#,
        &[r#"{"on": true}"#, r#"{"on": false}"#],
        &[r#"{"on": "true"}"#, r#"{"on": null}"#, r#"{"on": 1}"#],
    );
}

#[test]
fn null_and_empty_strings() {
    let null = r#"{"detail": {"eventVersion": "", "responseElements": null}}"#;
    check(r#"{"detail": {"eventVersion": [""]}}"#, &[null], &["{}"]);
    check(
        r#"{"detail": {"responseElements": [null]}}"#,
        &[null],
        &["{}", r#"{"detail": {"responseElements": "null"}}"#],
    );
    check(r#"{"detail": {"responseElements": [""]}}"#, &[], &[null]);
    check(r#"{"detail": {"eventVersion": [null]}}"#, &[], &[null]);
    check(
        r#"{"UserID": [null]}"#,
        &[r#"{"UserID": null}"#],
        &[r#"{"UserID": ""}"#, "{}"],
    );
}

#[test]
fn prefix() {
    check(
        r#"{"time": [{"prefix": "2017-10-02"}]}"#,
        &[INSTANCE],
        &[r#"{"time": "2017-10-03"}"#, r#"{"time": 20171002}"#],
    );
    check(
        r#"{"Region": [{"prefix": "us-"}]}"#,
        &[r#"{"Region": "us-east-1"}"#, r#"{"Region": "us-"}"#],
        &[r#"{"Region": "eu-us-1"}"#, r#"{"Region": "US-east-1"}"#],
    );
    check(
        r#"{"service": [{"prefix": {"equals-ignore-case": "EventB"}}]}"#,
        &[
            r#"{"service": "EventBridge"}"#,
            r#"{"service": "eventbridge"}"#,
            r#"{"service": "EVENTB"}"#,
        ],
        &[r#"{"service": "event"}"#, r#"{"service": 1}"#],
    );
    check(
        r#"{"a": [{"prefix": ""}]}"#,
        &[r#"{"a": ""}"#, r#"{"a": "x"}"#],
        &[r#"{"a": 1}"#, "{}"],
    );
}

#[test]
fn suffix() {
    check(
        r#"{"FileName": [{"suffix": ".png"}]}"#,
        &[r#"{"FileName": "a.png"}"#, r#"{"FileName": ".png"}"#],
        &[r#"{"FileName": "a.png.zip"}"#, r#"{"FileName": "a.PNG"}"#],
    );
    check(
        r#"{"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]}"#,
        &[r#"{"FileName": "a.PNG"}"#, r#"{"FileName": "a.pNg"}"#],
        &[r#"{"FileName": "png"}"#],
    );
}

#[test]
fn equals_ignore_case() {
    check(
        r#"{"detail-type": [{"equals-ignore-case": "ec2 instance state-change notification"}]}"#,
        &[INSTANCE],
        &[r#"{"detail-type": "ec2 instance state-change"}"#],
    );
    check(
        r#"{"Name": [{"equals-ignore-case": "ÉTÉ"}]}"#,
        &[r#"{"Name": "été"}"#, r#"{"Name": "Été"}"#],
        &[r#"{"Name": "ete"}"#],
    );
}

#[test]
fn anything_but() {
    check(
        r#"{"detail": {"state": [{"anything-but": "initializing"}]}}"#,
        &[
            INSTANCE,
            r#"{"detail": {"state": 1}}"#,
            r#"{"detail": {"state": null}}"#,
        ],
        // The field has to exist.
        &[
            r#"{"detail": {"state": "initializing"}}"#,
            r#"{"detail": {}}"#,
        ],
    );
    check(
        r#"{"detail": {"x-limit": [{"anything-but": 123}]}}"#,
        &[INSTANCE, r#"{"detail": {"x-limit": "123"}}"#],
        &[
            r#"{"detail": {"x-limit": 123}}"#,
            r#"{"detail": {"x-limit": 123.0}}"#,
        ],
    );
    check(
        r#"{"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}}"#,
        &[INSTANCE],
        &[
            r#"{"detail": {"state": "stopped"}}"#,
            r#"{"detail": {"state": "overloaded"}}"#,
        ],
    );
    check(
        r#"{"detail": {"x-limit": [{"anything-but": [100, 200, 300]}]}}"#,
        &[INSTANCE],
        &[r#"{"detail": {"x-limit": 200}}"#],
    );
    // One matching element of a list is enough.
    check(
        r#"{"tags": [{"anything-but": "a"}]}"#,
        &[r#"{"tags": ["a", "b"]}"#],
        &[r#"{"tags": ["a", "a"]}"#, r#"{"tags": []}"#],
    );
}

#[test]
fn anything_but_with_operators() {
    for (excluded, matching, other) in [
        (r#"{"prefix": "us-"}"#, "eu-west-1", "us-east-1"),
        (r#"{"prefix": ["us-", "eu-"]}"#, "ap-east-1", "eu-west-1"),
        (r#"{"suffix": ".png"}"#, "a.txt", "a.png"),
        (r#"{"suffix": [".png", ".jpg"]}"#, "a.txt", "a.jpg"),
        (
            r#"{"equals-ignore-case": "initializing"}"#,
            "running",
            "INITIALIZING",
        ),
        (
            r#"{"equals-ignore-case": ["initializing", "stopped"]}"#,
            "running",
            "Stopped",
        ),
        (r#"{"wildcard": "*/lib/*"}"#, "/usr/bin/x", "/usr/lib/x"),
        (
            r#"{"wildcard": ["*/bin/*.jar", "*/bin/*.class"]}"#,
            "/bin/x",
            "/bin/x.class",
        ),
    ] {
        check(
            &format!(r#"{{"state": [{{"anything-but": {excluded}}}]}}"#),
            &[&format!(r#"{{"state": "{matching}"}}"#), r#"{"state": 5}"#],
            &[&format!(r#"{{"state": "{other}"}}"#), "{}"],
        );
    }
}

#[test]
fn numeric() {
    check(
        r#"{"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}],
                       "d-count": [{"numeric": ["<", 10]}],
                       "x-limit": [{"numeric": ["=", 3.018e2]}]}}"#,
        &[INSTANCE],
        &[r#"{"detail": {"c-count": 0, "d-count": 3, "x-limit": 301.8}}"#],
    );
    check(
        r#"{"Price": [{"numeric": [">", 10, "<=", 20]}]}"#,
        &[
            r#"{"Price": 10.01}"#,
            r#"{"Price": 20}"#,
            r#"{"Price": 2.0e1}"#,
            r#"{"Price": ["x", 15]}"#,
        ],
        &[
            r#"{"Price": 10}"#,
            r#"{"Price": 20.000001}"#,
            r#"{"Price": "15"}"#,
            r#"{"Price": null}"#,
        ],
    );
    check(
        r#"{"Price": [{"numeric": [">=", -1]}]}"#,
        &[r#"{"Price": -1.0}"#, r#"{"Price": 0}"#],
        &[r#"{"Price": -1.01}"#],
    );
    // Numbers compare by value, and exactly.
    check(
        r#"{"Price": [100]}"#,
        &[
            r#"{"Price": 100}"#,
            r#"{"Price": 100.0}"#,
            r#"{"Price": 1e2}"#,
        ],
        &[
            r#"{"Price": "100"}"#,
            r#"{"Price": 100.0000000000000000001}"#,
        ],
    );
}

#[test]
fn wildcard() {
    check(
        r#"{"EventBusArn": [{"wildcard": "*:us-east-1:*:event-bus/*"}]}"#,
        &[r#"{"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/my"}"#],
        &[r#"{"EventBusArn": "arn:aws:events:eu-west-1:123456789012:event-bus/my"}"#],
    );
    check(
        r#"{"FileName": [{"wildcard": "dir/*.png"}]}"#,
        &[
            r#"{"FileName": "dir/a.png"}"#,
            r#"{"FileName": "dir/x/a.png"}"#,
        ],
        &[r#"{"FileName": "dir/a.txt"}"#, r#"{"FileName": 1}"#],
    );
    check(
        r#"{"Path": [{"wildcard": "C:\\\\*\\*"}]}"#,
        &[r#"{"Path": "C:\\a*"}"#],
        &[r#"{"Path": "C:\\ab"}"#],
    );
}

#[test]
fn cidr() {
    check(
        r#"{"detail": {"source-ip": [{"cidr": "10.0.0.0/24"}]}}"#,
        &[INSTANCE],
        &[
            r#"{"detail": {"source-ip": "10.0.1.33"}}"#,
            r#"{"detail": {"source-ip": "host"}}"#,
            r#"{"detail": {"source-ip": "::ffff:10.0.0.33"}}"#,
        ],
    );
    check(
        r#"{"ip": [{"cidr": "2001:db8::/32"}]}"#,
        &[r#"{"ip": "2001:db8::1"}"#, r#"{"ip": "2001:0DB8:1::"}"#],
        &[r#"{"ip": "2001:db9::1"}"#, r#"{"ip": "32.1.13.184"}"#],
    );
}
