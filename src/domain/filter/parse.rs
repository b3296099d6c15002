//! Parses patterns, and reports every error with its path.

use serde_json::value::RawValue;

use super::decimal::Decimal;
use super::pattern::{AnyOf, Bound, Field, Pattern, Test, lower_case};
use super::wildcard::Wildcard;
use crate::domain::json::{Fields, elements};
use crate::domain::validation::FieldError;

const OR: &str = "$or";

/// Longest path in an error message, in characters. A path consists of field names that the
/// caller chose, so without a limit a request could inflate its own response.
const MAX_PLACE_CHARS: usize = 200;

/// Parses a pattern. Recurses, so the caller has limited the nesting.
pub(super) fn pattern(place: &str, json: &str) -> Result<Pattern, Vec<FieldError>> {
    let mut reader = Reader::default();
    let pattern = reader.pattern(place, json);
    match reader.errors.is_empty() {
        true => Ok(pattern),
        false => Err(reader.errors),
    }
}

/// Collects errors and carries on, so that the caller gets all of them at once.
#[derive(Default)]
struct Reader {
    errors: Vec<FieldError>,
}

/// The type of a JSON value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
    List,
    Object,
}

/// The first byte of valid JSON determines its type.
fn kind_of(json: &str) -> Kind {
    match json.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b'"') => Kind::Text,
        Some(b't') => Kind::Bool(true),
        Some(b'f') => Kind::Bool(false),
        Some(b'-' | b'0'..=b'9') => Kind::Number,
        _ => Kind::Null,
    }
}

impl Reader {
    fn error(&mut self, place: &str, message: &'static str) {
        let mut place = place.to_owned();
        if let Some((end, _)) = place.char_indices().nth(MAX_PLACE_CHARS) {
            place.truncate(end);
            place.push('…');
        }
        self.errors.push(FieldError::new(place, message));
    }

    fn pattern(&mut self, place: &str, json: &str) -> Pattern {
        let fields = self.fields(place, json, "must be an object of fields to compare");
        let Some(fields) = fields else {
            return Pattern::default();
        };
        if fields.values.is_empty() {
            self.error(place, "must have at least one field");
        }
        let mut pattern = Vec::with_capacity(fields.values.len());
        for (name, value) in fields.values {
            let (place, value) = (format!("{place}.{name}"), value.get());
            match kind_of(value) {
                // A field that is really named `$or` can't be filtered on.
                _ if name == OR => pattern.push(Field::Or(self.alternatives(&place, value))),
                Kind::Object => {
                    let below = self.pattern(&place, value);
                    pattern.push(Field::Object(name, below));
                }
                Kind::List => {
                    let any_of = self.values(&place, value);
                    pattern.push(Field::Value(name, any_of));
                }
                _ => self.error(
                    &place,
                    "must be a list of values to compare with, or an object of fields",
                ),
            }
        }
        Pattern(pattern)
    }

    fn alternatives(&mut self, place: &str, json: &str) -> Vec<Pattern> {
        const WRONG: &str = "must be a list of at least two objects of fields";
        let patterns = elements(json, usize::MAX).unwrap_or_default();
        if patterns.len() < 2 {
            self.error(place, WRONG);
            return Vec::new();
        }
        let patterns = patterns.iter().enumerate();
        patterns
            .map(|(index, json)| self.pattern(&format!("{place}[{index}]"), json.get()))
            .collect()
    }

    fn values(&mut self, place: &str, json: &str) -> AnyOf {
        let mut any_of = AnyOf::default();
        let values = elements(json, usize::MAX).unwrap_or_default();
        if values.is_empty() {
            self.error(place, "must not be empty");
        }
        for (index, value) in values.iter().enumerate() {
            let (place, value) = (format!("{place}[{index}]"), value.get());
            match kind_of(value) {
                Kind::Null => any_of.null = true,
                Kind::Bool(value) => {
                    any_of.booleans.insert(value);
                }
                Kind::Number => {
                    any_of.numbers.insert(Decimal::of_json(value));
                }
                Kind::Text => any_of.texts.extend(self.text(&place, value)),
                Kind::Object => self.operator(&place, value, &mut any_of),
                Kind::List => self.error(
                    &place,
                    "must be a string, a number, true, false, null or an operator",
                ),
            }
        }
        any_of
    }

    /// The only field of an object: an operator and its operand.
    fn only_field(&mut self, place: &str, json: &str) -> Option<(String, Box<RawValue>)> {
        const WRONG: &str = "must have exactly one operator";
        let fields = self.fields(place, json, WRONG)?;
        let mut fields = fields.values.into_iter();
        match (fields.next(), fields.next()) {
            (Some(only), None) => Some(only),
            _ => {
                self.error(place, WRONG);
                None
            }
        }
    }

    fn operator(&mut self, place: &str, json: &str, any_of: &mut AnyOf) {
        let Some((name, value)) = self.only_field(place, json) else {
            return;
        };
        let (place, value) = (format!("{place}.{name}"), value.get());
        match (&*name, kind_of(value)) {
            ("exists", Kind::Bool(true)) => any_of.tests.push(Test::Exists),
            ("exists", Kind::Bool(false)) => any_of.absent = true,
            ("exists", _) => self.error(&place, "must be true or false"),
            ("numeric", _) => self.numeric(&place, value, any_of),
            ("anything-but", _) => {
                let others = self.anything_but(&place, value);
                any_of.tests.push(Test::AnythingBut(others));
            }
            ("cidr", Kind::Text) => {
                let network = self.text(&place, value).map(|text| text.parse());
                match network {
                    Some(Ok(network)) => any_of.tests.push(Test::Cidr(network)),
                    Some(Err(_)) => self.error(&place, CIDR),
                    None => {}
                }
            }
            ("cidr", _) => self.error(&place, CIDR),
            _ => any_of
                .tests
                .extend(self.string_operator(&place, &name, value)),
        }
    }

    /// The values that `anything-but` excludes.
    fn anything_but(&mut self, place: &str, json: &str) -> AnyOf {
        const WRONG: &str = "must be a string, a number, a list of these, or an object with \
                             prefix, suffix, equals-ignore-case or wildcard";
        let mut others = AnyOf::default();
        match kind_of(json) {
            Kind::Object => {
                let Some((name, value)) = self.only_field(place, json) else {
                    return others;
                };
                let place = format!("{place}.{name}");
                for (place, json) in self.one_or_more(&place, value.get()) {
                    match json.as_str() {
                        // An empty prefix or suffix would exclude every string.
                        r#""""# => self.error(&place, "must not be empty"),
                        json => others
                            .tests
                            .extend(self.string_operator(&place, &name, json)),
                    }
                }
            }
            Kind::Text | Kind::Number | Kind::List => {
                for (place, json) in self.one_or_more(place, json) {
                    match kind_of(&json) {
                        Kind::Text => others.texts.extend(self.text(&place, &json)),
                        Kind::Number => {
                            others.numbers.insert(Decimal::of_json(&json));
                        }
                        _ => self.error(&place, "must be a string or a number"),
                    }
                }
            }
            Kind::Null | Kind::Bool(_) => self.error(place, WRONG),
        }
        others
    }

    /// The elements of a list, each with its path. A value that is not a list counts as the
    /// only element.
    fn one_or_more(&mut self, place: &str, json: &str) -> Vec<(String, String)> {
        let Some(elements) = elements(json, usize::MAX) else {
            return vec![(place.to_owned(), json.to_owned())];
        };
        if elements.is_empty() {
            self.error(place, "must not be empty");
        }
        let elements = elements.iter().enumerate();
        elements
            .map(|(index, json)| (format!("{place}[{index}]"), json.get().to_owned()))
            .collect()
    }

    /// An operator that compares strings.
    fn string_operator(&mut self, place: &str, name: &str, json: &str) -> Option<Test> {
        if !["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&name) {
            self.error(place, "is not a known operator");
            return None;
        }
        if kind_of(json) == Kind::Object && ["prefix", "suffix"].contains(&name) {
            let (inner, value) = self.only_field(place, json)?;
            let place = format!("{place}.{inner}");
            if inner != "equals-ignore-case" {
                self.error(&place, "must be equals-ignore-case");
                return None;
            }
            let lower = lower_case(&self.text(&place, value.get())?).collect();
            return Some(match name {
                "prefix" => Test::PrefixIgnoreCase(lower),
                _ => Test::SuffixIgnoreCase(lower),
            });
        }
        let text = self.text(place, json)?;
        match name {
            "prefix" => Some(Test::Prefix(text)),
            "suffix" => Some(Test::Suffix(text)),
            "equals-ignore-case" => Some(Test::EqualsIgnoreCase(lower_case(&text).collect())),
            _ => match Wildcard::parse(&text) {
                Ok(wildcard) => Some(Test::Wildcard(wildcard)),
                Err(message) => {
                    self.error(place, message);
                    None
                }
            },
        }
    }

    fn numeric(&mut self, place: &str, json: &str, any_of: &mut AnyOf) {
        // At most two pairs of an operator and a number. Anything else leaves no valid pairs,
        // which is an error below.
        let parts = elements(json, 4).unwrap_or_default();
        let pairs: Option<Vec<_>> = parts
            .chunks(2)
            .map(|pair| match pair {
                [operator, number] if kind_of(number.get()) == Kind::Number => {
                    // The operator stays JSON text, quotes included.
                    Some((operator.get(), Decimal::of_json(number.get())))
                }
                _ => None,
            })
            .collect();
        match range_of(pairs.unwrap_or_default()) {
            Some(Numeric::Equal(number)) => {
                any_of.numbers.insert(number);
            }
            Some(Numeric::Within(lower, upper)) => {
                let ends = lower.as_ref().zip(upper.as_ref());
                if ends.is_some_and(|(lower, upper)| lower.at >= upper.at) {
                    self.error(place, "must have a lower bound below the upper one");
                }
                any_of.tests.push(Test::Range { lower, upper });
            }
            None => self.error(
                place,
                "must be a comparison such as [\">\", 0], or a range such as [\">\", 0, \"<=\", 5]",
            ),
        }
    }

    fn text(&mut self, place: &str, json: &str) -> Option<String> {
        match serde_json::from_str(json) {
            Ok(text) => Some(text),
            Err(_) if kind_of(json) == Kind::Text => {
                self.error(place, "must be Unicode");
                None
            }
            Err(_) => {
                self.error(place, "must be a string");
                None
            }
        }
    }

    /// The fields of an object. Reports `wrong` if it is not an object.
    fn fields(&mut self, place: &str, json: &str, wrong: &'static str) -> Option<Fields> {
        if kind_of(json) != Kind::Object {
            self.error(place, wrong);
            return None;
        }
        let Ok(fields) = serde_json::from_str::<Fields>(json) else {
            self.error(place, "must have names that are Unicode");
            return None;
        };
        for name in &fields.repeated {
            self.error(&format!("{place}.{name}"), "must not be repeated");
        }
        Some(fields)
    }
}

const CIDR: &str = "must be a range of IP addresses such as 10.0.0.0/24";

/// The meaning of a `numeric` operator.
enum Numeric {
    Equal(Decimal),
    Within(Option<Bound>, Option<Bound>),
}

/// Combines comparisons into one number or one range. `None` for any other combination: two
/// lower bounds, `=` beside anything else, or an upper bound before a lower one.
fn range_of(pairs: Vec<(&str, Decimal)>) -> Option<Numeric> {
    let (mut lower, mut upper) = (None, None);
    let count = pairs.len();
    for (operator, at) in pairs {
        let is_included = operator.contains('=');
        let bound = Bound { at, is_included };
        match operator {
            r#"">""# | r#"">=""# if lower.is_none() && upper.is_none() => lower = Some(bound),
            r#""<""# | r#""<=""# if upper.is_none() => upper = Some(bound),
            r#""=""# if count == 1 => return Some(Numeric::Equal(bound.at)),
            _ => return None,
        }
    }
    (lower.is_some() || upper.is_some()).then_some(Numeric::Within(lower, upper))
}

#[cfg(test)]
mod tests;
