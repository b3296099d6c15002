//! Publishing many events with one request.

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

/// Limit of the request body, in bytes. Lambda's limit is 6 MB for the whole invocation event,
/// in which the body is a JSON string, so that each of its quotes takes two bytes.
pub(super) const MAX_BODY_BYTES: usize = 5_000_000;

const MAX_EVENTS: usize = 100;

#[derive(Serialize)]
struct Answer {
    accepted: usize,
    rejected: usize,
    events: Vec<Row>,
}

/// The outcome of an event: the `data` or the `error` that a request for this event alone would
/// have got.
#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Accepted(Accepted),
    Rejected { error: ErrorBody },
}

/// `POST /apps/{appId}/events/batch`. `SendMessageBatch` for every ten events, or fewer if they are
/// large. With strict event types, also at most one `GetItem`. If an event names an endpoint, one
/// `BatchGetItem`.
///
/// The response is a 202 with a row per event, because some events may be on the queue and others
/// not. If no event is on the queue and all were valid, the response is the error of the queue: it
/// hides nothing, and clients and alarms handle it like the error of a single event.
pub(super) async fn publish(
    State(api): State<Api>,
    AppScope(app_id): AppScope,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let events = events_of(body, &headers)?;
    let read = read_all(app_id, &events, api.clock.now())?;
    // Frees up to 5 MB before the messages are built. `read` has its own copy.
    drop(events);
    let valid = read.iter().flatten();
    let types: Vec<_> = valid.clone().map(NewEvent::event_type).collect();
    let names = api.names_for(&types).await?;
    let named = valid.filter_map(|event| event.only_endpoint(app_id));
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

/// The list of events, unread.
///
/// # Errors
/// If anything else is wrong with the request.
fn events_of(mut body: Body, headers: &HeaderMap) -> Result<Box<RawValue>, ApiError> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let message = "must be left out: each event has its own idempotencyKey";
        body.error("Idempotency-Key", message);
    }
    body.require(&["events"]);
    let events = body.raw("events");
    body.finish(events)
}

struct Batch {
    /// For each event in the request, its response and the index of its message, or its error.
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
            // Of events with the same idempotency key, and so the same id, send only the first.
            // The queue keeps no order, so if all were sent, any of them might count.
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

/// Reads each event, or its error.
///
/// # Errors
/// If `events` is not a list of 1 to 100 elements.
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
    // `MAX_DETAILS` limits the whole response. There is at least one row.
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
