//! The `Prefer` header (RFC 7240). Test pings honour `respond-async` and `wait`.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

const MAX_WAIT_SECONDS: u64 = 20;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Prefer {
    respond_async: bool,
    wait_seconds: Option<u64>,
}

impl Prefer {
    /// Parses the header. Ignores unknown, malformed and out-of-range preferences. If a preference
    /// is repeated, the first one counts (RFC 7240, section 2).
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let lines = headers.get_all("prefer").iter();
        let preferences = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        for preference in preferences {
            let token = preference.split(';').next().unwrap_or_default();
            let (name, value) = match token.split_once('=') {
                Some((name, value)) => (name, value.trim().trim_matches('"')),
                None => (token, ""),
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.respond_async = true,
                "wait" if prefer.wait_seconds.is_none() => {
                    prefer.wait_seconds = value
                        .parse()
                        .ok()
                        .filter(|seconds| *seconds <= MAX_WAIT_SECONDS);
                }
                _ => {}
            }
        }
        prefer
    }

    /// How long to wait for the outcome. With `respond-async` alone, not at all. With `wait` too,
    /// wait, and respond with 202 if the outcome is still unknown.
    pub(super) fn wait(&self, default: Duration) -> Duration {
        match (self.wait_seconds, self.respond_async) {
            (Some(seconds), _) => Duration::from_secs(seconds),
            (None, true) => Duration::ZERO,
            (None, false) => default,
        }
    }

    /// The `Preference-Applied` header, if a preference was honoured.
    pub(super) fn applied(&self) -> Option<HeaderValue> {
        let wait = self.wait_seconds.map(|seconds| format!("wait={seconds}"));
        let respond_async = self.respond_async.then(|| "respond-async".to_owned());
        let applied: Vec<_> = respond_async.into_iter().chain(wait).collect();
        if applied.is_empty() {
            return None;
        }
        HeaderValue::from_str(&applied.join(", ")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Duration = Duration::from_secs(10);

    fn wait(lines: &[&str]) -> Duration {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", line.parse().unwrap());
        }
        Prefer::from_headers(&headers).wait(DEFAULT)
    }

    #[test]
    fn valid_waits_are_honoured() {
        assert_eq!(wait(&[]), DEFAULT);
        assert_eq!(wait(&["wait=0"]), Duration::ZERO);
        assert_eq!(wait(&["wait=20"]), Duration::from_secs(20));
        assert_eq!(wait(&["Wait = \"7\""]), Duration::from_secs(7));
        assert_eq!(wait(&["respond-async"]), Duration::ZERO);
        assert_eq!(wait(&["respond-async, wait=5"]), Duration::from_secs(5));
        assert_eq!(
            wait(&["handling=lenient", "wait=3; x=y"]),
            Duration::from_secs(3)
        );
        assert_eq!(wait(&["wait=3", "wait=4"]), Duration::from_secs(3));
    }

    #[test]
    fn invalid_preferences_are_ignored() {
        for line in [
            "wait=21", "wait=-1", "wait=x", "wait=", "wait", "", ",,", "later",
        ] {
            assert_eq!(wait(&[line]), DEFAULT, "{line}");
        }
    }

    #[test]
    fn applied_preferences_are_reported() {
        let applied = |line: &str| {
            let headers =
                HeaderMap::from_iter([("prefer".parse().unwrap(), line.parse().unwrap())]);
            Prefer::from_headers(&headers).applied()
        };
        assert_eq!(
            applied("respond-async,wait=1").unwrap(),
            "respond-async, wait=1"
        );
        assert_eq!(applied("wait=21"), None);
    }
}
