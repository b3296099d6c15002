//! The errors that operators see.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use webhook_endpoints::aws::StoreError;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::validation::FieldError;
use webhook_endpoints::operator::keys::CreateKeyError;
use webhook_endpoints::operator::sessions::CreateSessionError;

/// Prints what is wrong with the arguments, or the help that they request.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let mut text = without_api_keys(&error.render().to_string());
    // clap takes `--app -x` for an option `-x`.
    let may_be_hyphen = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidValue
    );
    if may_be_hyphen && text.contains("--app") {
        text.push_str("\nIf the app id begins with a hyphen, write it like this: --app=-x\n");
    }
    // If standard error is closed, the exit code has to do.
    let _ = write!(io::stderr(), "{text}");
    ExitCode::from(2)
}

/// The error's own message, unless a better one can say what to do.
pub(crate) fn describe(error: &(dyn Error + Send + Sync + 'static), table_name: &str) -> String {
    let of_key = match error.downcast_ref() {
        Some(CreateKeyError::Store(error)) => Some(error),
        _ => None,
    };
    let of_session = match error.downcast_ref() {
        Some(CreateSessionError::Store(error)) => Some(error),
        _ => None,
    };
    let store = of_key.or(of_session).or(error.downcast_ref::<StoreError>());
    match store {
        // Only a missing table is reported like this: a missing item or secret is a result, not an
        // error.
        Some(StoreError::Aws(aws)) if aws.code() == Some("ResourceNotFoundException") => format!(
            "there is no table {table_name:?} in this account and Region: \
             check TABLE_NAME, AWS_REGION and the credentials"
        ),
        _ => error.to_string(),
    }
}

/// The errors on one line.
pub(crate) fn join(errors: &[FieldError]) -> String {
    let errors = errors.iter();
    let errors: Vec<_> = errors
        .map(|error| format!("{} {}", error.field, error.message))
        .collect();
    errors.join("; ")
}

/// Whether a text contains an API key, whatever its prefix.
pub(crate) fn has_api_key(text: &str) -> bool {
    words(text).any(|word| ApiKey::parse(word).is_some())
}

/// Replaces each API key in the text. Errors quote arguments and may end up in logs.
pub(crate) fn without_api_keys(text: &str) -> String {
    let keys = words(text).filter(|word| ApiKey::parse(word).is_some());
    keys.fold(text.to_owned(), |text, key| text.replace(key, "[API key]"))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}
