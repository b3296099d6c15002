//! Publishing many events by one request.

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::error;

use super::body::Body;
use super::error::{ApiError, ErrorBody, MAX_DETAILS};
use super::events::{self, Accepted, IDEMPOTENCY_KEY, NewEvent, no_such_endpoint};
use super::extract::AppScope;
use super::strict_types::must_be_known;
use super::{Api, success};
use crate::aws::StoreError;
use crate::domain::catalogue::TypeNames;
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::{AppId, EventId};
use crate::domain::json::elements;
use crate::domain::message::{Lane, Message};

/// Largest body of a batch, in bytes. Lambda takes events of 6 MB, in which the body's
/// quotes are escaped.
pub(super) const MAX_BODY_BYTES: usize = 5_000_000;

const MAX_EVENTS: usize = 100;

#[derive(Serialize)]
struct Answer {
    accepted: usize,
    rejected: usize,
    events: Vec<Row>,
}

/// What became of an event: what publishing it by a request of its own would have
/// answered.
#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Accepted(Accepted),
    Rejected { error: ErrorBody },
}

/// `POST /apps/{appId}/events/batch`. `SendMessageBatch` for every ten events, or fewer if
/// they are large. The answer is a 202 with a row for each event, because some may be on
/// the queue when others are not. Only if none is, and for no fault of the caller, it is
/// the error: then nothing is hidden by it, and whatever handles errors of single events,
/// on either side, handles this one. If event types are strict, one `GetItem` at most; if any
/// event is for one endpoint, one `BatchGetItem`.
pub(super) async fn publish(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let events = events_of(body, &headers)?;
    let read = read_all(app_id, &events, api.clock.now())?;
    // Up to 5 MB, of which the messages have a copy.
    drop(events);
    let sound = read.iter().flatten();
    let types: Vec<_> = sound.clone().map(NewEvent::event_type).collect();
    let names = api.names_for(&types).await?;
    let named = sound.filter_map(|event| event.only_endpoint(app_id));
    let named: HashSet<_> = named.collect();
    let existing = match named.is_empty() {
        true => HashSet::new(),
        false => api.stores.table.existing_endpoints(&named).await?,
    };
    let batch = Batch::of(app_id, read, names.as_deref(), &existing);
    let outcomes = api.stores.queues.send_each(Lane::Fast, batch.messages);
    let answer = answer(batch.rows, &outcomes.await)?;
    Ok((StatusCode::ACCEPTED, success(answer)).into_response())
}

/// The list of events, if nothing is wrong with the request apart from them.
fn events_of(mut body: Body, headers: &HeaderMap) -> Result<Box<RawValue>, ApiError> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let message = "must be left out: each event has an idempotencyKey of its own";
        body.fault("Idempotency-Key", message);
    }
    body.require(&["events"]);
    let events = body.raw("events");
    body.finish(events)
}

/// The events of a request.
struct Batch {
    /// Of each event, what is wrong with it, or its answer and the message that publishes
    /// it.
    rows: Vec<Result<(Accepted, usize), ApiError>>,
    messages: Vec<Message>,
}

impl Batch {
    fn of(
        app_id: AppId,
        events: Vec<Result<NewEvent, ApiError>>,
        names: Option<&TypeNames>,
        existing: &HashSet<EndpointKey>,
    ) -> Self {
        let mut messages = Vec::with_capacity(events.len());
        let mut message_of = HashMap::new();
        let rows = events.into_iter().map(|event| {
            let event = event?;
            must_be_known(names, event.event_type())?;
            let only = event.only_endpoint(app_id);
            if only.is_some_and(|only| !existing.contains(&only)) {
                return Err(no_such_endpoint());
            }
            let (accepted, message) = event.into_message(app_id);
            // Of events with one key, only the first is sent: the queue has no order by
            // which it would count.
            let index = *message_of.entry(accepted.id).or_insert_with(|| {
                messages.push(message);
                messages.len() - 1
            });
            Ok((accepted, index))
        });
        let rows = rows.collect();
        Self { rows, messages }
    }
}

/// The events of a request, each of them or what is wrong with it.
fn read_all(
    app_id: AppId,
    events: &RawValue,
    now: Timestamp,
) -> Result<Vec<Result<NewEvent, ApiError>>, ApiError> {
    let events = elements(events.get(), MAX_EVENTS).filter(|events| !events.is_empty());
    let events =
        events.ok_or_else(|| ApiError::invalid("events", "must be a list of 1 to 100 events"))?;
    let read = events.into_iter().map(|event| read(app_id, event, now));
    Ok(read.collect())
}

fn read(app_id: AppId, event: &RawValue, now: Timestamp) -> Result<NewEvent, ApiError> {
    if event.get().len() > events::MAX_BODY_BYTES {
        return Err(ApiError::PayloadTooLarge);
    }
    let mut body = Body::of_event(event)?;
    let id = body.string("idempotencyKey", |key| {
        match events::is_idempotency_key(key) {
            true => Ok(EventId::of_idempotency_key(app_id, key)),
            false => Err("must be 1 to 255 visible ASCII characters other than commas"),
        }
    });
    NewEvent::read(body, app_id, id, now)
}

fn answer(
    rows: Vec<Result<(Accepted, usize), ApiError>>,
    outcomes: &[Result<(), StoreError>],
) -> Result<Answer, ApiError> {
    let errors = || outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    if let Some(error) = errors().next() {
        let all_failed = errors().count() == outcomes.len();
        if all_failed && rows.iter().all(Result::is_ok) {
            return Err(error.clone().into());
        }
        let count = errors().count();
        error!(%error, count, "failed to enqueue events of a batch");
    }
    let max_details = MAX_DETAILS / rows.len();
    let events: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let row = row.and_then(|(accepted, index)| match &outcomes[index] {
                Ok(()) => Ok(accepted),
                Err(error) => Err(error.clone().into()),
            });
            row.map_or_else(
                |error| Row::Rejected {
                    error: error.into_body(max_details),
                },
                Row::Accepted,
            )
        })
        .collect();
    let is_accepted = |row: &&Row| matches!(row, Row::Accepted(_));
    let accepted = events.iter().filter(is_accepted).count();
    Ok(Answer {
        accepted,
        rejected: events.len() - accepted,
        events,
    })
}
