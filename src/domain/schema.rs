//! A shallow check of JSON Schemas (2020-12): every keyword has the type of value that the
//! meta-schema requires.
//!
//! A complete validator would make the function too large. So regular expressions, references
//! and format names are not checked, and neither events nor examples are validated against a
//! schema. Unknown keywords are allowed, as the specification requires.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::json::{Fields, elements};

/// The only accepted value of `$schema`.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The type of value that a keyword takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Schema,
    /// A non-empty list of schemas.
    Schemas,
    /// An object whose values are schemas.
    NamedSchemas,
    /// The name of a JSON type, or a list of different ones.
    Types,
    Text,
    /// A list of different strings.
    Texts,
    /// An object whose values are lists of different strings.
    NamedTexts,
    Boolean,
    /// A non-negative whole number.
    Count,
    Number,
    /// A number greater than zero.
    PositiveNumber,
    List,
    Dialect,
}

impl Takes {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Schema => "a schema, that is, an object or a boolean",
            Self::Schemas => "a list of schemas that is not empty",
            Self::NamedSchemas => "an object of schemas",
            Self::Types => "the name of a type, or a list of different ones",
            Self::Text => "a string",
            Self::Texts => "a list of different strings",
            Self::NamedTexts => "an object of lists of different strings",
            Self::Boolean => "true or false",
            Self::Count => "a whole number that is not negative",
            Self::Number => "a number",
            Self::PositiveNumber => "a number greater than 0",
            Self::List => "a list",
            Self::Dialect => "https://json-schema.org/draft/2020-12/schema",
        }
    }
}

/// The keywords with a restricted value. Those that take any value, such as `const`, are absent.
const KEYWORDS: &[(&str, Takes)] = &[
    ("$anchor", Takes::Text),
    ("$comment", Takes::Text),
    ("$defs", Takes::NamedSchemas),
    ("$dynamicAnchor", Takes::Text),
    ("$dynamicRef", Takes::Text),
    ("$id", Takes::Text),
    ("$ref", Takes::Text),
    ("$schema", Takes::Dialect),
    ("additionalProperties", Takes::Schema),
    ("allOf", Takes::Schemas),
    ("anyOf", Takes::Schemas),
    ("contains", Takes::Schema),
    ("contentEncoding", Takes::Text),
    ("contentMediaType", Takes::Text),
    ("contentSchema", Takes::Schema),
    ("dependentRequired", Takes::NamedTexts),
    ("dependentSchemas", Takes::NamedSchemas),
    ("deprecated", Takes::Boolean),
    ("description", Takes::Text),
    ("else", Takes::Schema),
    ("enum", Takes::List),
    ("examples", Takes::List),
    ("exclusiveMaximum", Takes::Number),
    ("exclusiveMinimum", Takes::Number),
    ("format", Takes::Text),
    ("if", Takes::Schema),
    ("items", Takes::Schema),
    ("maxContains", Takes::Count),
    ("maxItems", Takes::Count),
    ("maxLength", Takes::Count),
    ("maxProperties", Takes::Count),
    ("maximum", Takes::Number),
    ("minContains", Takes::Count),
    ("minItems", Takes::Count),
    ("minLength", Takes::Count),
    ("minProperties", Takes::Count),
    ("minimum", Takes::Number),
    ("multipleOf", Takes::PositiveNumber),
    ("not", Takes::Schema),
    ("oneOf", Takes::Schemas),
    ("pattern", Takes::Text),
    ("patternProperties", Takes::NamedSchemas),
    ("prefixItems", Takes::Schemas),
    ("properties", Takes::NamedSchemas),
    ("propertyNames", Takes::Schema),
    ("readOnly", Takes::Boolean),
    ("required", Takes::Texts),
    ("then", Takes::Schema),
    ("title", Takes::Text),
    ("type", Takes::Types),
    ("unevaluatedItems", Takes::Schema),
    ("unevaluatedProperties", Takes::Schema),
    ("uniqueItems", Takes::Boolean),
    ("writeOnly", Takes::Boolean),
];

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Checks a schema and, recursively, the schemas in it. The caller has limited the nesting.
///
/// # Errors
/// A message that names the first keyword with an invalid value.
pub(super) fn check(schema: &RawValue) -> Result<(), String> {
    if is_boolean(schema) {
        return Ok(());
    }
    let Some(fields) = object(schema) else {
        return Err("must be a JSON Schema, that is, an object or a boolean".to_owned());
    };
    for (name, value) in &fields.values {
        let known = KEYWORDS.iter().find(|(keyword, _)| keyword == name);
        let Some((keyword, takes)) = known else {
            continue;
        };
        let Some(schemas) = schemas_in(*takes, value) else {
            let wanted = takes.in_words();
            return Err(format!(
                "must be a JSON Schema of 2020-12, in which {keyword} is {wanted}"
            ));
        };
        for schema in schemas {
            check(&schema)?;
        }
    }
    Ok(())
}

/// The schemas within a keyword's value, which the caller checks next. `None` if the value has
/// the wrong type.
fn schemas_in(takes: Takes, value: &RawValue) -> Option<Vec<Box<RawValue>>> {
    let only = |fits: bool| fits.then(Vec::new);
    match takes {
        Takes::Schema => is_schema(value).then(|| vec![value.to_owned()]),
        Takes::Schemas => {
            let schemas: Vec<_> = list(value)?.into_iter().map(RawValue::to_owned).collect();
            let fits = !schemas.is_empty() && schemas.iter().all(|schema| is_schema(schema));
            fits.then_some(schemas)
        }
        Takes::NamedSchemas => {
            let schemas: Vec<_> = object(value)?.values.into_values().collect();
            let fits = schemas.iter().all(|schema| is_schema(schema));
            fits.then_some(schemas)
        }
        Takes::Types => match text(value) {
            Some(name) => only(is_type(&name)),
            None => {
                let names = texts(value)?;
                only(!names.is_empty() && names.iter().all(|name| is_type(name)))
            }
        },
        Takes::Text => only(text(value).is_some()),
        Takes::Texts => only(texts(value).is_some()),
        Takes::NamedTexts => {
            let object = object(value)?;
            only(object.values.values().all(|value| texts(value).is_some()))
        }
        Takes::Boolean => only(is_boolean(value)),
        Takes::Count => {
            let number = number(value)?;
            only(number >= 0.0 && number.fract() == 0.0)
        }
        Takes::Number => only(number(value).is_some()),
        Takes::PositiveNumber => only(number(value)? > 0.0),
        Takes::List => only(list(value).is_some()),
        // Some tools append the empty fragment that earlier versions had.
        Takes::Dialect => only(text(value)?.trim_end_matches('#') == DIALECT),
    }
}

fn is_schema(value: &RawValue) -> bool {
    is_boolean(value) || value.get().starts_with('{')
}

fn is_boolean(value: &RawValue) -> bool {
    ["true", "false"].contains(&value.get())
}

fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

fn object(value: &RawValue) -> Option<Fields> {
    serde_json::from_str(value.get()).ok()
}

fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    elements(value.get(), usize::MAX)
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The strings of a list, if it has no others and no duplicates.
fn texts(value: &RawValue) -> Option<Vec<String>> {
    let texts: Vec<_> = list(value)?.into_iter().map(text).collect::<Option<_>>()?;
    let different: HashSet<_> = texts.iter().collect();
    (different.len() == texts.len()).then_some(texts)
}

/// A number, rounded to a float. That is exact enough for the checks of sign and fraction.
fn number(value: &RawValue) -> Option<f64> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(json: &str) -> Result<(), String> {
        check(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn valid_schemas_are_accepted() {
        for good in [
            "true",
            "false",
            "{}",
            r#"{"$schema": "https://json-schema.org/draft/2020-12/schema"}"#,
            r#"{"$schema": "https://json-schema.org/draft/2020-12/schema#"}"#,
            r#"{"type": "object", "required": ["id"], "properties": {"id": {"type": "string",
                "minLength": 1.0}, "tags": {"type": ["array", "null"], "items": {}}}}"#,
            r#"{"allOf": [true, {"not": {"const": null}}], "if": {}, "then": false}"#,
            r##"{"$defs": {"a": {"type": "integer"}}, "$ref": "#/$defs/a"}"##,
            r#"{"dependentRequired": {"a": ["b"]}, "multipleOf": 0.01, "enum": [1, null]}"#,
            // Not checked.
            r##"{"pattern": "(", "$ref": "#/nowhere", "format": "unheard-of"}"##,
            r#"{"x-internal": {"type": 1}, "default": [], "const": {"type": 1}}"#,
            r#"{"examples": [{"type": 1}]}"#,
        ] {
            assert_eq!(check_text(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn invalid_schemas_are_rejected_with_the_keyword() {
        for (bad, keyword) in [
            ("1", "an object or a boolean"),
            ("[]", "an object or a boolean"),
            (r#""object""#, "an object or a boolean"),
            (
                r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#,
                "$schema",
            ),
            (r#"{"$schema": null}"#, "$schema"),
            (r#"{"type": "int"}"#, "type"),
            (r#"{"type": []}"#, "type"),
            (r#"{"type": ["null", "null"]}"#, "type"),
            (r#"{"required": true}"#, "required"),
            (r#"{"required": ["a", "a"]}"#, "required"),
            (r#"{"properties": [{}]}"#, "properties"),
            (r#"{"properties": {"a": null}}"#, "properties"),
            // Valid in earlier versions of JSON Schema.
            (r#"{"items": [{}]}"#, "items"),
            (r#"{"exclusiveMinimum": true}"#, "exclusiveMinimum"),
            (r#"{"anyOf": []}"#, "anyOf"),
            (r#"{"minLength": -1}"#, "minLength"),
            (r#"{"maxItems": 1.5}"#, "maxItems"),
            (r#"{"multipleOf": 0}"#, "multipleOf"),
            (r#"{"uniqueItems": "yes"}"#, "uniqueItems"),
            (r#"{"$defs": {"a": {"not": {"title": 1}}}}"#, "title"),
        ] {
            let error = check_text(bad).unwrap_err();
            assert!(error.contains(keyword), "{bad}: {error}");
        }
    }

    #[test]
    fn errors_say_what_a_keyword_takes() {
        for (bad, takes) in [
            (
                r#"{"maxItems": 1.5}"#,
                "a whole number that is not negative",
            ),
            (r#"{"required": true}"#, "a list of different strings"),
        ] {
            let error = check_text(bad).unwrap_err();
            assert!(error.ends_with(takes), "{bad}: {error}");
        }
    }
}
