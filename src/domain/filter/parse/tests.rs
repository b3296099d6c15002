use super::*;

#[track_caller]
fn must_refuse(json: &str, expected: &[(&str, &str)]) {
    let errors = pattern("filter", json).unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.field.as_str(), &*error.message))
        .collect();
    assert_eq!(found, expected, "{json}");
}

#[test]
fn structural_errors_have_a_path() {
    const FIELDS: &str = "must be an object of fields to compare";
    const VALUE: &str = "must be a list of values to compare with, or an object of fields";
    for (json, place, message) in [
        ("1", "filter", FIELDS),
        ("[]", "filter", FIELDS),
        (r#""a""#, "filter", FIELDS),
        ("{}", "filter", "must have at least one field"),
        (r#"{"a":{}}"#, "filter.a", "must have at least one field"),
        (r#"{"a":1}"#, "filter.a", VALUE),
        (r#"{"a":{"exists":true}}"#, "filter.a.exists", VALUE),
        (r#"{"a":[]}"#, "filter.a", "must not be empty"),
        (
            r#"{"a":[1,[2]]}"#,
            "filter.a[1]",
            "must be a string, a number, true, false, null or an operator",
        ),
        (r#"{"a":["\ud800"]}"#, "filter.a[0]", "must be Unicode"),
        (
            r#"{"\ud800":[1]}"#,
            "filter",
            "must have names that are Unicode",
        ),
        (
            r#"{"a":{"b":[1],"b":[2]}}"#,
            "filter.a.b",
            "must not be repeated",
        ),
        (
            r#"{"$or":[{"a":[1]}]}"#,
            "filter.$or",
            "must be a list of at least two objects of fields",
        ),
        (
            r#"{"$or":{"a":[1]}}"#,
            "filter.$or",
            "must be a list of at least two objects of fields",
        ),
        (r#"{"$or":[{"a":[1]},2]}"#, "filter.$or[1]", FIELDS),
    ] {
        must_refuse(json, &[(place, message)]);
    }
}

/// Asserts the error for an operator, whose place follows `filter.a.b[1]`.
#[track_caller]
fn must_refuse_operator(operator: &str, place: &str, message: &str) {
    let json = format!(r#"{{"a":{{"b":["x",{operator}]}}}}"#);
    must_refuse(&json, &[(&format!("filter.a.b[1]{place}"), message)]);
}

#[test]
fn operator_errors_have_a_path() {
    const ONE: &str = "must have exactly one operator";
    const UNKNOWN: &str = "is not a known operator";
    for (operator, place, message) in [
        ("{}", "", ONE),
        (r#"{"prefix":"a","suffix":"b"}"#, "", ONE),
        (r#"{"regex":"a"}"#, ".regex", UNKNOWN),
        (r#"{"exists":"true"}"#, ".exists", "must be true or false"),
        (r#"{"prefix":1}"#, ".prefix", "must be a string"),
        (r#"{"suffix":["a"]}"#, ".suffix", "must be a string"),
        (
            r#"{"prefix":{"suffix":"a"}}"#,
            ".prefix.suffix",
            "must be equals-ignore-case",
        ),
        (
            r#"{"suffix":{"equals-ignore-case":1}}"#,
            ".suffix.equals-ignore-case",
            "must be a string",
        ),
        (
            r#"{"wildcard":"a**"}"#,
            ".wildcard",
            "must not have consecutive asterisks",
        ),
        (
            r#"{"wildcard":"\\x"}"#,
            ".wildcard",
            "must have \\ only before * or another \\",
        ),
        (r#"{"cidr":"10.0.0.0"}"#, ".cidr", CIDR),
        (r#"{"cidr":"10.0.0.0/33"}"#, ".cidr", CIDR),
        (r#"{"cidr":1}"#, ".cidr", CIDR),
        (
            r#"{"anything-but":[]}"#,
            ".anything-but",
            "must not be empty",
        ),
        (
            r#"{"anything-but":["a",true]}"#,
            ".anything-but[1]",
            "must be a string or a number",
        ),
        (
            r#"{"anything-but":{"cidr":"10.0.0.0/8"}}"#,
            ".anything-but.cidr",
            UNKNOWN,
        ),
        (
            r#"{"anything-but":{"prefix":["a",""]}}"#,
            ".anything-but.prefix[1]",
            "must not be empty",
        ),
    ] {
        must_refuse_operator(operator, place, message);
    }
}

#[test]
fn numeric_takes_a_comparison_or_a_range() {
    const NUMERIC: &str =
        "must be a comparison such as [\">\", 0], or a range such as [\">\", 0, \"<=\", 5]";
    for (operator, message) in [
        (r#"{"numeric":5}"#, NUMERIC),
        (r#"{"numeric":[]}"#, NUMERIC),
        (r#"{"numeric":["="]}"#, NUMERIC),
        (r#"{"numeric":["!=",1]}"#, NUMERIC),
        (r#"{"numeric":["=","1"]}"#, NUMERIC),
        (r#"{"numeric":["<",1,">",0]}"#, NUMERIC),
        (r#"{"numeric":["=",1,"<",2]}"#, NUMERIC),
        (r#"{"numeric":["<",1,"<",2]}"#, NUMERIC),
        (r#"{"numeric":[">",1,">",2]}"#, NUMERIC),
        (r#"{"numeric":[">",0,"<",5,"<",6]}"#, NUMERIC),
        (
            r#"{"numeric":[">",5,"<=",5.0]}"#,
            "must have a lower bound below the upper one",
        ),
    ] {
        must_refuse_operator(operator, ".numeric", message);
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    must_refuse(
        r#"{"a":1,"b":[{"x":1},{"prefix":2}],"c":{"$or":[]}}"#,
        &[
            (
                "filter.a",
                "must be a list of values to compare with, or an object of fields",
            ),
            ("filter.b[0].x", "is not a known operator"),
            ("filter.b[1].prefix", "must be a string"),
            (
                "filter.c.$or",
                "must be a list of at least two objects of fields",
            ),
        ],
    );
}

#[test]
fn long_paths_are_shortened() {
    let json = format!(r#"{{"{}":1}}"#, "é".repeat(1000));
    let errors = pattern("filter", &json).unwrap_err();
    assert_eq!(errors[0].field.chars().count(), MAX_PLACE_CHARS + 1);
}
