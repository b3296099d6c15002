//! Error responses. The cause of an error goes to the log, under the request's id, and never to
//! the caller.

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

#[derive(Debug)]
pub(super) enum ApiError {
    /// 400, with everything that is wrong with the request.
    Validation(Vec<FieldError>),
    /// 401: no valid key.
    Authentication,
    /// 403, with the scope that the key lacks.
    Forbidden(Need),
    /// 403, because the session is limited to one endpoint and the call is for the whole app. With
    /// the scope that a key needs for the call.
    OneEndpointOnly(Need),
    /// 404, with a noun for what does not exist.
    NotFound(&'static str),
    /// 405; the router adds `Allow`.
    MethodNotAllowed,
    /// 409, with a sentence about the conflict.
    Conflict(Cow<'static, str>),
    /// 413.
    PayloadTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 429, because a budget is used up. With a sentence about it, and the time after which a
    /// retry can succeed.
    OverBudget {
        message: Cow<'static, str>,
        retry_after: Duration,
    },
    /// 429, 500 or 503, depending on what AWS returned.
    Store(StoreError),
    /// 500, because of a bug. With the cause, for the log.
    Internal(Box<dyn StdError + Send + Sync>),
}

impl ApiError {
    /// One error in the request.
    pub(super) fn invalid(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Validation(vec![FieldError::new(field, message)])
    }

    pub(super) const fn conflict(message: &'static str) -> Self {
        Self::Conflict(Cow::Borrowed(message))
    }

    /// The error of one event of a batch, with at most `max_details` details. Does not log it.
    pub(super) fn into_body(self, max_details: usize) -> ErrorBody {
        let mut body = Answer::of(self).into_body();
        if let Some(details) = &mut body.details {
            details.truncate(max_details);
        }
        body
    }

    /// All tries failed because of concurrent changes of the endpoint's secret.
    pub(super) fn busy() -> Self {
        Self::Store(StoreError::conflict("changing an endpoint's secret"))
    }

    /// A bug.
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

/// The `error` of a response, or of one event of a batch.
#[derive(Serialize)]
pub(super) struct ErrorBody {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<FieldError>>,
}

/// How many errors a response lists. Without a limit, a small request could cause a large
/// response.
pub(super) const MAX_DETAILS: usize = 100;

/// `Retry-After` if AWS throttled the service or did not respond.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// `Retry-After` if an AWS quota is used up. The one that a caller can reach is on the versions of
/// a secret; Secrets Manager frees each of them a day after its rotation.
const RETRY_LATER: Duration = Duration::from_secs(60 * 60);

/// The parts in which error responses differ.
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

    fn validation(mut errors: Vec<FieldError>) -> Self {
        let message = summary(&errors);
        errors.truncate(MAX_DETAILS);
        Self {
            details: Some(errors),
            ..Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
        }
    }

    /// The challenge is the one of RFC 6750, section 3.1.
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
            ApiError::Validation(errors) => Self::validation(errors),
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

/// Rounds up, and to at least one, so that a caller that waits this long does not come too early.
fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    (wait.as_secs() + begun).max(1)
}

/// Puts the first error into the message, because many clients print only that:
/// `url must be at most 2,048 bytes (and 2 more)`.
fn summary(errors: &[FieldError]) -> String {
    match errors {
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
    fn message_quotes_the_first_error_and_counts_the_others() {
        let error = |field: &str| FieldError::new(field, "is missing");
        assert_eq!(summary(&[error("url")]), "url is missing");
        let three = ["url", "events", "color"].map(error);
        assert_eq!(summary(&three), "url is missing (and 2 more)");
    }

    #[test]
    fn waits_are_rounded_up_to_at_least_one_second() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (9_999, 10)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }

    #[test]
    fn message_counts_errors_beyond_the_limit_of_details() {
        let errors = vec![FieldError::new("events[0]", "is wrong"); 250];
        let answer = Answer::validation(errors);
        assert_eq!(answer.details.unwrap().len(), MAX_DETAILS);
        assert_eq!(answer.message, "events[0] is wrong (and 249 more)");
    }
}
