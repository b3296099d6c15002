//! Parsed filters, and comparisons with a single value.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::data::Node;
use super::decimal::Decimal;
use super::wildcard::Wildcard;

/// Fields, all of which have to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern(pub(super) Vec<Field>);

/// A field of the data, or alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// A value that has to match at least one comparison.
    Value(String, AnyOf),
    /// An object, or at least one object of a list.
    Object(String, Pattern),
    /// `$or`: at least one of the patterns has to match, all on the same object.
    Or(Vec<Pattern>),
}

/// Comparisons of which at least one has to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AnyOf {
    pub(super) null: bool,
    pub(super) booleans: BTreeSet<bool>,
    /// Sets, so that a lookup in a long list of ids counts as a single step.
    pub(super) texts: BTreeSet<String>,
    pub(super) numbers: BTreeSet<Decimal>,
    pub(super) tests: Vec<Test>,
    /// Whether the field may be absent. The evaluation handles this; a single value can't
    /// tell.
    pub(super) absent: bool,
}

/// A comparison operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Exists,
    Prefix(String),
    Suffix(String),
    Wildcard(Wildcard),
    Cidr(IpNet),
    /// This operand and the next two are in lower case.
    EqualsIgnoreCase(String),
    PrefixIgnoreCase(String),
    SuffixIgnoreCase(String),
    Range {
        lower: Option<Bound>,
        upper: Option<Bound>,
    },
    AnythingBut(AnyOf),
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) at: Decimal,
    pub(super) is_included: bool,
}

/// The longest IP address as text, in bytes: IPv6 with an embedded IPv4 address. Longer
/// strings are not parsed at all.
const MAX_ADDRESS: usize = 45;

impl AnyOf {
    /// Whether a value matches. Lists and objects never match, not even by `anything-but`.
    pub(super) fn matches(&self, value: &Node<'_>) -> bool {
        let is_exact = match value {
            Node::Null => self.null,
            Node::Bool(value) => self.booleans.contains(value),
            Node::Text(text) => self.texts.contains(text.as_ref()),
            Node::Number(number) => self.numbers.contains(number),
            Node::List(_) | Node::Object(_) => return false,
        };
        is_exact || self.tests.iter().any(|test| test.holds(value))
    }

    /// The number of comparisons that one value may take, which is its cost in steps.
    pub(super) fn size(&self) -> usize {
        let of_test = |test: &Test| match test {
            Test::AnythingBut(others) => others.size(),
            Test::Wildcard(wildcard) => wildcard.size(),
            _ => 1,
        };
        1 + self.tests.iter().map(of_test).sum::<usize>()
    }
}

impl Test {
    fn holds(&self, value: &Node<'_>) -> bool {
        match (self, value) {
            (Self::Exists, _) => true,
            (Self::AnythingBut(others), _) => !others.matches(value),
            (Self::Range { lower, upper }, Node::Number(number)) => {
                lower.as_ref().is_none_or(|bound| bound.is_below(number))
                    && upper.as_ref().is_none_or(|bound| bound.is_above(number))
            }
            (_, Node::Text(text)) => self.holds_for_text(text),
            _ => false,
        }
    }

    fn holds_for_text(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::Cidr(network) => {
                let address = Some(text).filter(|text| text.len() <= MAX_ADDRESS);
                let address = address.and_then(|text| text.parse::<IpAddr>().ok());
                address.is_some_and(|address| network.contains(&address))
            }
            Self::EqualsIgnoreCase(lower) => lower_case(text).eq(lower.chars()),
            Self::PrefixIgnoreCase(lower) => begins_with(lower_case(text), lower.chars()),
            Self::SuffixIgnoreCase(lower) => {
                begins_with(lower_case(text).rev(), lower.chars().rev())
            }
            Self::Exists | Self::Range { .. } | Self::AnythingBut(_) => false,
        }
    }
}

impl Bound {
    fn is_below(&self, number: &Decimal) -> bool {
        self.at < *number || (self.is_included && self.at == *number)
    }

    fn is_above(&self, number: &Decimal) -> bool {
        self.at > *number || (self.is_included && self.at == *number)
    }
}

/// The characters of a text for case-insensitive comparison. Lower case can have more
/// characters than the original, so lengths can't be compared first.
pub(super) fn lower_case(text: &str) -> impl DoubleEndedIterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

fn begins_with(
    mut text: impl Iterator<Item = char>,
    mut beginning: impl Iterator<Item = char>,
) -> bool {
    beginning.all(|wanted| text.next() == Some(wanted))
}
