//! A fault of an AWS call.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// An AWS call that failed after the SDK's own retries.
#[derive(Debug)]
pub struct AwsError {
    operation: &'static str,
    fault: Fault,
    source: Box<dyn StdError + Send + Sync>,
}

/// What kind of fault, as far as a caller has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// AWS asked for fewer calls.
    Throttled,
    /// AWS did not answer, or answered that it can't now.
    Unavailable,
    /// AWS refused the call, or what it answered makes no sense: a defect of
    /// the deployment or of this code.
    Unexpected,
}

/// Error codes by which the three services throttle.
const THROTTLING: [&str; 8] = [
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ThrottledException",
    "Throttling",
    "ThrottlingError", // a cancellation reason of a transaction
    "ThrottlingException",
];

impl AwsError {
    /// The fault of an SDK call.
    pub fn new<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let fault = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Fault::Unavailable,
            SdkError::ResponseError(_) => Fault::Unavailable,
            SdkError::ServiceError(service) => match service.err().code() {
                Some(code) => Self::of_code(code),
                // A gateway's page instead of a service's answer.
                None => Fault::Unavailable,
            },
            _ => Fault::Unexpected,
        };
        Self {
            operation,
            fault,
            source: error.into(),
        }
    }

    /// A fault that AWS told in its answer by an error code.
    #[must_use]
    pub fn from_code(operation: &'static str, code: &str) -> Self {
        Self {
            operation,
            fault: Self::of_code(code),
            source: code.into(),
        }
    }

    /// An answer that makes no sense.
    #[must_use]
    pub fn unexpected(
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            operation,
            fault: Fault::Unexpected,
            source: source.into(),
        }
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    fn of_code(code: &str) -> Fault {
        if THROTTLING.contains(&code) {
            Fault::Throttled
        } else if matches!(
            code,
            "InternalServerError"
                | "InternalServiceError"
                | "InternalFailure"
                | "InternalError"
                | "ServiceUnavailable"
                | "ServiceUnavailableException"
                | "TransactionConflict"
                | "TransactionInProgressException"
        ) {
            Fault::Unavailable
        } else {
            Fault::Unexpected
        }
    }
}

/// Whether an SDK call failed with this error code.
pub(super) fn has_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    error.as_service_error().and_then(|error| error.code()) == Some(code)
}

/// Whether a conditional write was refused.
pub(super) fn condition_failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    has_code(error, "ConditionalCheckFailedException")
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({:?})", self.operation, self.fault)?;
        let mut source: Option<&(dyn StdError + 'static)> = Some(self.source.as_ref());
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for AwsError {}
