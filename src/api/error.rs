//! What a caller is told when a request fails. The cause goes to the log, under
//! the request's id, and never to the caller.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use tracing::error;

use crate::aws::{AwsErrorKind, StoreError};
use crate::domain::scope::Need;
use crate::domain::validation::FieldError;

/// Every error of the API.
#[derive(Debug)]
pub(super) enum ApiError {
    /// 400: everything that is wrong with the request.
    Validation(Vec<FieldError>),
    /// 401: no valid key.
    Authentication,
    /// 403, and the scope that the key lacks.
    Forbidden(Need),
    /// 403: the session is for one endpoint, and the call is not on one. The scope that a
    /// key needs for it.
    OneEndpointOnly(Need),
    /// 404, and what does not exist.
    NotFound(&'static str),
    /// 405; the router adds `Allow`.
    MethodNotAllowed,
    /// 409, and a sentence about the conflict.
    Conflict(Cow<'static, str>),
    /// 413.
    PayloadTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 429: a budget of ours is used up. A sentence about it, and after how long it
    /// is worth trying again.
    OverBudget {
        message: Cow<'static, str>,
        retry_after: Duration,
    },
    /// 429, 500 or 503.
    Store(StoreError),
    /// 500: a defect of ours, and its cause.
    Internal(Box<dyn StdError + Send + Sync>),
}

impl ApiError {
    /// A single thing that is wrong with the request.
    pub(super) fn invalid(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Validation(vec![FieldError::new(field, message)])
    }

    pub(super) const fn conflict(message: &'static str) -> Self {
        Self::Conflict(Cow::Borrowed(message))
    }

    /// What it says of one event of a batch, with at most this many details. Nothing is
    /// logged.
    pub(super) fn into_body(self, max_details: usize) -> ErrorBody {
        let mut body = Answer::of(self).into_body();
        if let Some(details) = &mut body.details {
            details.truncate(max_details);
        }
        body
    }

    /// Something else kept changing the same items.
    pub(super) fn busy() -> Self {
        Self::Store(StoreError::conflict("changing an endpoint's secret"))
    }

    /// A defect of ours.
    pub(super) fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Serialize)]
struct Envelope {
    success: bool,
    error: ErrorBody,
}

/// What an error's answer says, or what it says of one event of a batch.
#[derive(Serialize)]
pub(super) struct ErrorBody {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<FieldError>>,
}

/// Faults that an answer lists: more would make a large answer of a small request.
pub(super) const MAX_DETAILS: usize = 100;

/// After how long it is worth trying again if AWS throttled or did not answer.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// The same for a quota of AWS. A secret's versions become free one by one, a day
/// after each rotation.
const RETRY_LATER: Duration = Duration::from_secs(60 * 60);

/// The parts of an error's response that vary.
struct Answer {
    status: StatusCode,
    code: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
    details: Option<Vec<FieldError>>,
}

impl Answer {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            header: None,
            details: None,
        }
    }

    fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    fn retry_after(self, wait: Duration) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)))
    }

    fn validation(mut faults: Vec<FieldError>) -> Self {
        let message = summary(&faults);
        faults.truncate(MAX_DETAILS);
        Self {
            details: Some(faults),
            ..Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
        }
    }

    /// The header is that of RFC 6750, section 3.1.
    fn forbidden(need: Need, message: impl Into<String>) -> Self {
        let challenge = match need {
            Need::Platform => r#"Bearer error="insufficient_scope", scope="platform""#,
            Need::Manage => r#"Bearer error="insufficient_scope", scope="manage""#,
            Need::Publish => r#"Bearer error="insufficient_scope", scope="publish""#,
            Need::Read => r#"Bearer error="insufficient_scope", scope="read""#,
            Need::Any => r#"Bearer error="insufficient_scope""#,
        };
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    fn of(error: ApiError) -> Self {
        match error {
            ApiError::Validation(faults) => Self::validation(faults),
            ApiError::Authentication => Self::new(
                StatusCode::UNAUTHORIZED,
                "AUTHENTICATION_ERROR",
                "A valid API key is required, in the x-api-key header or as a bearer token.",
            )
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            ApiError::Forbidden(need) => {
                let scope = need.as_str();
                let what = "The API key does not have the scope that this call needs";
                Self::forbidden(need, format!("{what}: {scope}."))
            }
            ApiError::OneEndpointOnly(need) => Self::forbidden(
                need,
                "The session is for one webhook endpoint, and this call is for the whole app.",
            ),
            ApiError::NotFound(what) => Self::new(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                format!("No such {what}."),
            ),
            ApiError::MethodNotAllowed => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "This path does not support that method. See the Allow header.",
            ),
            ApiError::Conflict(message) => Self::new(StatusCode::CONFLICT, "CONFLICT", message),
            ApiError::OverBudget {
                message,
                retry_after,
            } => Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT", message)
                .retry_after(retry_after),
            ApiError::PayloadTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "PAYLOAD_TOO_LARGE",
                "Too large: the limit is 256 KiB for an event, 5 MB for a batch of events, \
                 and 64 KiB for any other request body.",
            ),
            ApiError::UnsupportedMediaType => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "The request body must be JSON, sent with content-type: application/json.",
            ),
            ApiError::Store(StoreError::Aws(error)) => Self::of_aws(error.kind()),
            ApiError::Store(StoreError::Malformed { .. }) | ApiError::Internal(_) => {
                Self::internal()
            }
        }
    }

    fn of_aws(kind: AwsErrorKind) -> Self {
        match kind {
            AwsErrorKind::Throttled => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMIT",
                "Too many requests. Try again later.",
            )
            .retry_after(RETRY_SOON),
            AwsErrorKind::LimitExceeded => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMIT",
                "A limit of the AWS account is reached. Try again later.",
            )
            .retry_after(RETRY_LATER),
            AwsErrorKind::Unavailable => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "UNAVAILABLE",
                "The service is temporarily unavailable. Try again later.",
            )
            .retry_after(RETRY_SOON),
            AwsErrorKind::Rejected => Self::internal(),
        }
    }

    fn into_body(self) -> ErrorBody {
        ErrorBody {
            code: self.code,
            message: self.message,
            details: self.details,
        }
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "An internal error occurred. Include the x-request-id header when you report it.",
        )
    }
}

/// Rounded up, and at least one, so that a caller that waits for as long is not too
/// early.
fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    (wait.as_secs() + begun).max(1)
}

/// The first fault in words, because clients print the message and not the
/// details: `url must be at most 2,048 bytes (and 2 more)`.
fn summary(faults: &[FieldError]) -> String {
    match faults {
        [] => "The request is not valid.".to_owned(),
        [only] => format!("{} {}", only.field, only.message),
        [first, rest @ ..] => {
            format!(
                "{} {} (and {} more)",
                first.field,
                first.message,
                rest.len()
            )
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(error) => error!(%error, "request failed"),
            Self::Internal(error) => error!(%error, "request failed"),
            _ => {}
        }
        let answer = Answer::of(self);
        let (status, headers) = (answer.status, answer.header.clone().map(|header| [header]));
        let body = Envelope {
            success: false,
            error: answer.into_body(),
        };
        (status, headers, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_says_the_first_fault_and_counts_the_others() {
        let fault = |field: &str| FieldError::new(field, "is missing");
        assert_eq!(summary(&[fault("url")]), "url is missing");
        let three = ["url", "events", "color"].map(fault);
        assert_eq!(summary(&three), "url is missing (and 2 more)");
    }

    #[test]
    fn waits_are_rounded_up_to_at_least_a_second() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (9_999, 10)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }

    #[test]
    fn details_are_limited_and_the_count_is_not() {
        let faults = vec![FieldError::new("events[0]", "is wrong"); 250];
        let answer = Answer::validation(faults);
        assert_eq!(answer.details.unwrap().len(), MAX_DETAILS);
        assert_eq!(answer.message, "events[0] is wrong (and 249 more)");
    }
}
