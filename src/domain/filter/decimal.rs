//! JSON numbers of any size, compared exactly and by value, however they are written.

use std::cmp::Ordering;

/// A decimal number in normal form, so that equal numbers have equal fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Where the decimal point is, counted from the first significant digit. Zero for zero.
    magnitude: i64,
    /// The significant digits in ASCII, without zeros at either end. Empty for zero.
    digits: Vec<u8>,
}

impl Decimal {
    /// Parses a valid JSON number.
    pub(super) fn of_json(json: &str) -> Self {
        let (is_negative, json) = match json.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, json),
        };
        let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written = [whole.as_bytes(), fraction.as_bytes()].concat();
        let Some(first) = written.iter().position(|digit| *digit != b'0') else {
            return Self {
                is_negative: false,
                magnitude: 0,
                digits: Vec::new(),
            };
        };
        let end = written.iter().rposition(|digit| *digit != b'0');
        let position = length(whole.len()) - length(first);
        Self {
            is_negative,
            magnitude: exponent_of(exponent).saturating_add(position),
            digits: written[first..=end.unwrap_or(first)].to_vec(),
        }
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Exponents that do not fit in 64 bits saturate, so numbers that far out compare by their
/// digits alone.
fn exponent_of(text: &str) -> i64 {
    let beyond = match text.starts_with('-') {
        true => i64::MIN,
        false => i64::MAX,
    };
    text.parse().unwrap_or(beyond)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.is_negative, number.digits.is_empty()) {
            (true, _) => -1,
            (false, true) => 0,
            (false, false) => 1,
        };
        // The digits compare lexicographically, because both begin at the same power of ten.
        let size = || {
            let by_magnitude = self.magnitude.cmp(&other.magnitude);
            by_magnitude.then_with(|| self.digits.cmp(&other.digits))
        };
        sign(self)
            .cmp(&sign(other))
            .then_with(|| match self.is_negative {
                true => size().reverse(),
                false => size(),
            })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_equal_however_they_are_written() {
        for alike in [
            &["0", "-0", "0.0", "-0.00e5", "0e-99999999999999999999"][..],
            &["300", "300.0", "3.0e2", "3E+2", "0.003e5", "30000e-2"],
            &["-12.5", "-1.25e1", "-125E-1"],
            &["1e99999999999999999999", "1.0e99999999999999999998"],
        ] {
            for other in alike {
                let (one, other) = (Decimal::of_json(alike[0]), Decimal::of_json(other));
                assert_eq!(one, other, "{alike:?}");
                assert_eq!(one.cmp(&other), Ordering::Equal, "{alike:?}");
            }
        }
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = [
            "-1e99999999999999999999",
            "-1e400",
            "-12345678901234567891",
            "-12345678901234567890",
            "-10",
            "-9.99",
            "-1",
            "-0.1",
            "-1e-99999999999999999999",
            "0",
            "1e-400",
            "0.001",
            "0.01",
            "0.1",
            "0.12",
            "0.2",
            "1",
            "1.0000000000000000000000001",
            "9",
            "9.5",
            "10",
            "12345678901234567890",
            "12345678901234567891",
            "1e400",
            "2e400",
            "1e99999999999999999999",
        ];
        for (i, one) in ascending.iter().enumerate() {
            for (j, other) in ascending.iter().enumerate() {
                let order = Decimal::of_json(one).cmp(&Decimal::of_json(other));
                assert_eq!(order, i.cmp(&j), "{one} and {other}");
            }
        }
    }
}
