//! The header `Retry-After` (RFC 9110, 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;

/// How long the header asks to wait: a number of seconds, or a date in one of the three
/// formats of HTTP. Values and dates that overflow are the longest possible wait. `None`
/// if the value is malformed or the date has passed.
pub(super) fn asked_wait(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_ascii();
    // The parser would also accept a plus sign.
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // All digits, so only overflow can fail.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    // Not as a `Timestamp`, whose range ends a day before that of the format.
    let date = httpdate::parse_http_date(value).ok()?;
    let date = date.duration_since(UNIX_EPOCH).ok()?;
    date.checked_sub(now.as_duration().try_into().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;

    fn asked(value: &str) -> Option<u64> {
        let now = "2026-01-31T09:30:00Z".parse().unwrap();
        asked_wait(value, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_parsed() {
        for (value, seconds) in [
            ("0", 0),
            ("120", 120),
            ("007", 7),
            (" 120 ", 120),
            ("86400", 24 * HOUR),
            ("18446744073709551615", u64::MAX),
            ("Sat, 31 Jan 2026 10:30:00 GMT", HOUR),
            ("Saturday, 31-Jan-26 10:30:00 GMT", HOUR),
            ("Sat Jan 31 10:30:00 2026", HOUR),
            ("Sat, 31 Jan 2026 09:30:00 GMT", 0),
        ] {
            assert_eq!(asked(value), Some(seconds), "{value}");
        }
    }

    #[test]
    fn overflowing_values_are_the_longest_waits() {
        const CENTURY: u64 = 100 * 365 * 24 * HOUR;
        for value in [
            "18446744073709551616",
            "99999999999999999999999999999999999999999999999999",
            "Thu, 30 Dec 9999 22:00:01 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            let wait = asked(value).unwrap();
            assert!(wait > CENTURY, "{value}: {wait}");
        }
    }

    #[test]
    fn malformed_values_and_dates_in_the_past_are_ignored() {
        for value in [
            "",
            " ",
            "-5",
            "+5",
            "1.5",
            "5s",
            "5, 10",
            "soon",
            "2026-01-31T10:30:00Z",
            "Sat, 31 Jan 2026 10:30:00 CET",
            "Sat, 32 Jan 2026 10:30:00 GMT",
            "Fri, 31 Dec 99999 23:59:59 GMT",
            "Sat, 31 Jan 2026 09:29:59 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(asked(value), None, "{value}");
        }
    }
}
