//! Reads what we keep of a receiver's response.
//!
//! Once its head is here, the status is the verdict. Nothing that happens afterwards
//! changes the outcome, so nothing in here fails.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use tokio::time::timeout;

use super::retry_after::asked_wait;
use crate::domain::delivery::{Answer, BodyNote, KEPT_BODY_CHARS, body_excerpt};

/// How long a body may take. Only the history needs it, and meanwhile an attempt holds
/// a slot of its function.
const BODY_TIME: Duration = Duration::from_secs(1);

/// How much of a body we read before we drop the connection. We read more than we
/// keep, because a connection can be reused only after the body has been read to the
/// end.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// UTF-8 needs at most four bytes per character.
const KEPT_BODY_BYTES: usize = KEPT_BODY_CHARS * 4;

/// Reads the body, for [`BODY_TIME`] or what is left of the attempt's time.
pub(super) async fn read(mut response: Response, at: Timestamp, time_left: Duration) -> Answer {
    let mut body = Vec::new();
    let reading = read_capped(&mut response, &mut body);
    let note = match timeout(time_left.min(BODY_TIME), reading).await {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(BodyNote::BrokeOff),
        Err(_) => Some(BodyNote::TookTooLong),
    };
    Answer {
        status: response.status().as_u16(),
        body: body_excerpt(&body),
        note,
        retry_after: response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| asked_wait(value.to_str().ok()?, at)),
    }
}

/// Reads about [`MAX_BODY_BYTES`] and keeps the first [`KEPT_BODY_BYTES`] in `kept`,
/// also if it is cancelled.
async fn read_capped(response: &mut Response, kept: &mut Vec<u8>) -> Result<(), reqwest::Error> {
    let mut read = 0;
    while read < MAX_BODY_BYTES {
        let Some(chunk) = response.chunk().await? else {
            break;
        };
        read += chunk.len();
        let room = KEPT_BODY_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..room.min(chunk.len())]);
    }
    Ok(())
}
