//! Deliveries and their attempts. A delivery is one event on its way to one endpoint.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

pub use super::abandoned::Abandoned;
use super::endpoint::EndpointKey;
use super::event_type::EventType;
use super::failure::Failure;
use super::id::{DeliveryId, EventId};

/// How much of a response body is stored, in characters.
pub const KEPT_BODY_CHARS: usize = 1000;

/// A delivery's current state, as the history lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Unique across all apps. Ids sort by the time of acceptance.
    pub id: DeliveryId,
    /// The endpoint to deliver to.
    pub endpoint: EndpointKey,
    /// The event to deliver.
    pub event_id: EventId,
    /// The event's type.
    pub event: EventType,
    /// Whether it is a test ping, of any event type. A ping has no stored event.
    pub is_ping: bool,
    /// Whether the delivery has ended, and how.
    pub status: DeliveryStatus,
    /// HTTP status of the last attempt. `None` if that attempt got no response.
    pub response_status: Option<u16>,
    /// How many attempts were recorded. Failed probes are not.
    pub attempts: u32,
    /// When the service accepted the delivery.
    pub created_at: Timestamp,
    /// When the successful attempt ended.
    pub delivered_at: Option<Timestamp>,
    /// When the next attempt is due. `None` while the delivery waits, and once it has ended.
    pub next_retry_at: Option<Timestamp>,
    /// When the delivery began to wait, for its paused endpoint or for its turn. `None` if it
    /// does not wait.
    pub waiting_since: Option<Timestamp>,
    /// When the delivery leaves the history.
    pub expires_at: Timestamp,
    /// Set if the delivery ended without another attempt.
    pub abandoned: Option<Abandoned>,
    /// Whether the payload is kept only until its attempts end, and answers are not kept.
    pub ephemeral: bool,
    /// When the event's payload was deleted.
    pub payload_deleted_at: Option<Timestamp>,
}

impl Delivery {
    /// A new delivery of an event, without attempts.
    #[must_use]
    pub fn accepted(
        id: DeliveryId,
        endpoint: EndpointKey,
        event_id: EventId,
        event: EventType,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            endpoint,
            event_id,
            event,
            is_ping: false,
            status: DeliveryStatus::Pending,
            response_status: None,
            attempts: 0,
            created_at,
            delivered_at: None,
            next_retry_at: None,
            waiting_since: None,
            expires_at,
            abandoned: None,
            ephemeral: false,
            payload_deleted_at: None,
        }
    }

    /// Whether the delivery can never be resent, because its payload is deleted, or will be
    /// once its attempts end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.ephemeral || self.payload_deleted_at.is_some()
    }

    /// The delivery after `attempt`. `next_retry_at` is when the next attempt is due; if it is
    /// `None` and the attempt failed, the delivery has failed.
    #[must_use]
    pub fn after(self, attempt: &Attempt, next_retry_at: Option<Timestamp>) -> Self {
        let success = attempt.verdict.is_success();
        Self {
            status: match (success, next_retry_at) {
                (true, _) => DeliveryStatus::Delivered,
                (false, Some(_)) => DeliveryStatus::Pending,
                (false, None) => DeliveryStatus::Failed,
            },
            response_status: attempt.verdict.response_status(),
            attempts: attempt.number,
            delivered_at: success.then(|| attempt.ended_at()),
            next_retry_at: next_retry_at.filter(|_| !success),
            waiting_since: None,
            ..self
        }
    }
}

/// Whether a delivery has ended, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// An attempt is still to be made.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// The delivery ended without success.
    Failed,
}

impl DeliveryStatus {
    /// All statuses, in the order of their lifecycle.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The name used in the API and the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }
}

/// The text is not the name of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be PENDING, DELIVERED or FAILED")]
pub struct UnknownStatus;

impl FromStr for DeliveryStatus {
    type Err = UnknownStatus;

    /// Parses a name, case-insensitively.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownStatus)
    }
}

/// One attempt to send a delivery, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// When the attempt started. Sent as `webhook-timestamp`, and signed.
    pub started_at: Timestamp,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: u32,
    /// How the attempt ended.
    pub verdict: Verdict,
}

impl Attempt {
    /// The attempt without the content of the response: its body, and the target of a
    /// redirect. Its status stays.
    #[must_use]
    pub fn without_answer(mut self) -> Self {
        if let Verdict::Answered(answer) = &mut self.verdict {
            answer.body.clear();
            answer.location = None;
        }
        self
    }

    /// The start plus the duration.
    #[must_use]
    pub fn ended_at(&self) -> Timestamp {
        self.started_at + Duration::from_millis(self.duration_ms.into())
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The head of a response arrived before the deadline. The status decides, even if the
    /// body does not arrive.
    Answered(Answer),
    /// No usable response arrived.
    Failed(Failure),
}

/// The part of a response that is stored or acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The first [`KEPT_BODY_CHARS`] characters of the body, as far as it arrived.
    pub body: String,
    /// Why the body is incomplete.
    pub note: Option<BodyNote>,
    /// The wait that `Retry-After` asks for, unlimited.
    pub retry_after: Option<Duration>,
    /// The target of a redirect: its origin and path, shortened.
    pub location: Option<String>,
}

impl Answer {
    /// A response with a status and nothing else.
    #[must_use]
    pub fn bare(status: u16) -> Self {
        Self {
            status,
            body: String::new(),
            note: None,
            retry_after: None,
            location: None,
        }
    }

    /// Whether the response is a redirect. Redirects are not followed.
    fn is_redirect(&self) -> bool {
        matches!(self.status, 301..=303 | 307 | 308)
    }
}

/// Why a response body is incomplete. It does not affect the outcome of the attempt. API
/// clients see these messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyNote {
    /// The connection closed early, or the framing was invalid.
    #[error("the response body broke off")]
    BrokeOff,
    /// The body did not arrive within its time limit.
    #[error("the response body took too long, so the rest of it was not read")]
    TookTooLong,
    /// The headers are invalid or too large, so the body can't be located.
    #[error("the response headers are invalid or too large, so the response body was not read")]
    InvalidHeaders,
}

impl BodyNote {
    /// All variants, for parsing and tests.
    pub const ALL: [Self; 3] = [Self::BrokeOff, Self::TookTooLong, Self::InvalidHeaders];

    /// The name used in the API and the table.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BrokeOff => "body_broke_off",
            Self::TookTooLong => "body_took_too_long",
            Self::InvalidHeaders => "invalid_headers",
        }
    }

    /// Parses the output of [`Self::code`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|note| note.code() == code)
    }
}

impl Verdict {
    /// Whether the receiver accepted the delivery with a 2xx status.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered(answer) if (200..300).contains(&answer.status))
    }

    /// The HTTP status, if there was a response.
    #[must_use]
    pub fn response_status(&self) -> Option<u16> {
        match self {
            Self::Answered(answer) => Some(answer.status),
            Self::Failed(_) => None,
        }
    }

    /// A code and a message for API clients, if the status alone does not explain the
    /// failure.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Failed(failure) => Some((failure.code(), failure.to_string())),
            Self::Answered(answer) if answer.is_redirect() => {
                let message = match &answer.location {
                    Some(location) => {
                        format!("redirects are not followed: it points to {location}")
                    }
                    None => "redirects are not followed".to_owned(),
                };
                Some(("redirect", message))
            }
            Self::Answered(_) => None,
        }
    }
}

/// The first [`KEPT_BODY_CHARS`] characters of a body. Invalid UTF-8 becomes U+FFFD.
#[must_use]
pub fn body_excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .chars()
        .take(KEPT_BODY_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{AppId, EndpointId};

    #[test]
    fn deliveries_wait_no_longer_once_attempted() {
        let at = Timestamp::from_second(1).unwrap();
        let endpoint = EndpointKey {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
        };
        let event = EventType::parse("invoice.paid").unwrap();
        let delivery =
            Delivery::accepted(DeliveryId::new(), endpoint, EventId::new(), event, at, at);
        let waiting = Delivery {
            waiting_since: Some(at),
            ..delivery
        };
        let attempt = Attempt {
            number: 1,
            started_at: at,
            duration_ms: 1,
            verdict: Verdict::Failed(Failure::Closed),
        };
        assert_eq!(waiting.after(&attempt, Some(at)).waiting_since, None);
    }

    #[test]
    fn statuses_parse_case_insensitively() {
        assert_eq!("failed".parse(), Ok(DeliveryStatus::Failed));
        assert_eq!("Delivered".parse(), Ok(DeliveryStatus::Delivered));
        assert_eq!("".parse::<DeliveryStatus>(), Err(UnknownStatus));
        assert_eq!("PENDING ".parse::<DeliveryStatus>(), Err(UnknownStatus));
    }

    #[test]
    fn redirects_say_where_they_point() {
        let problem = |status, location: Option<&str>| {
            let answer = Answer {
                location: location.map(str::to_owned),
                ..Answer::bare(status)
            };
            Verdict::Answered(answer).problem()
        };
        for status in [301, 302, 303, 307, 308] {
            let (code, message) = problem(status, Some("https://example.com/x")).unwrap();
            assert_eq!(code, "redirect");
            assert!(
                message.ends_with("points to https://example.com/x"),
                "{message}"
            );
            assert!(problem(status, None).is_some());
        }
        for status in [200, 201, 300, 304, 404] {
            assert_eq!(problem(status, Some("https://example.com/x")), None);
        }
    }

    #[test]
    fn note_codes_round_trip() {
        for note in BodyNote::ALL {
            assert_eq!(BodyNote::from_code(note.code()), Some(note));
        }
        assert_eq!(BodyNote::from_code("other"), None);
    }

    #[test]
    fn only_2xx_is_a_success() {
        let answered = |status| Verdict::Answered(Answer::bare(status));
        for status in [200, 204, 299] {
            assert!(answered(status).is_success(), "{status}");
        }
        for status in [199, 300, 302, 404, 500] {
            assert!(!answered(status).is_success(), "{status}");
        }
        assert!(!Verdict::Failed(Failure::Timeout).is_success());
    }

    #[test]
    fn excerpts_count_characters_and_replace_invalid_utf8() {
        assert_eq!(body_excerpt("é".repeat(1001).as_bytes()), "é".repeat(1000));
        assert_eq!(body_excerpt(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(body_excerpt(b""), "");
    }
}
