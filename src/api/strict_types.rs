//! Strict event types: events and subscriptions must be of types in the catalogue.
//!
//! One `GetItem` reads the names of the whole catalogue, which are then cached for a minute. If the
//! cached names lack a type, they are read again, so a type works as soon as it is added. A removed
//! type may work until the cached names expire. Without strict event types, nothing is read.
//!
//! Only the API checks types. Messages that other services put on the queue come from the
//! platform's own account, which does not need to be policed, and an accepted event is never
//! dropped.

use std::sync::Arc;
use std::time::Duration;

use super::ApiState;
use super::error::ApiError;
use crate::aws::StoreError;
use crate::domain::catalogue::TypeNames;
use crate::domain::event_type::{EventPattern, EventType, Subscriptions};
use crate::domain::id::AppId;
use crate::domain::operational::{self, OperationalType};
use crate::domain::validation::FieldError;
use crate::ttl_cache::TtlCache;

/// How long the names are cached, and so how long a removed type may still be used.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// This process's cache of the names in the catalogue.
pub(super) struct KnownTypes(TtlCache<(), Arc<TypeNames>>);

impl KnownTypes {
    pub(super) fn new() -> Self {
        Self(TtlCache::new(KEPT_FOR))
    }
}

impl ApiState {
    /// The names to check these types against. `None` if event types are not strict.
    pub(super) async fn names_for(
        &self,
        types: &[&EventType],
    ) -> Result<Option<Arc<TypeNames>>, StoreError> {
        self.names(|names| types.iter().all(|event_type| names.has(event_type)))
            .await
    }

    /// The names in the catalogue: the cached ones if they `are_enough`, otherwise read again.
    async fn names(
        &self,
        are_enough: impl Fn(&TypeNames) -> bool,
    ) -> Result<Option<Arc<TypeNames>>, StoreError> {
        let Some(known) = &self.known_types else {
            return Ok(None);
        };
        // Take the time before the read. If it were taken after, a type removed during the read
        // could stay in the cache for longer than `KEPT_FOR`.
        let now = self.clock.now();
        if let Some(names) = known.0.get(&(), now).filter(|names| are_enough(names)) {
            return Ok(Some(names));
        }
        let names = Arc::new(self.stores.table.event_type_names().await?);
        known.0.put((), Arc::clone(&names), now);
        Ok(Some(names))
    }

    /// Rejects subscriptions that match no type in the catalogue. In the reserved app, rejects
    /// those that match no operational event. `positions` are the patterns' indexes in the request.
    pub(super) async fn must_know_all_of(
        &self,
        app_id: AppId,
        events: &Subscriptions,
        positions: &[usize],
    ) -> Result<(), ApiError> {
        if app_id.is_operational() {
            return must_be_sent(events, positions);
        }
        let patterns = events.patterns();
        let knows_all = |names: &TypeNames| patterns.iter().all(|one| names.has_any_of(one));
        let Some(names) = self.names(knows_all).await? else {
            return Ok(());
        };
        let unknown: Vec<_> = patterns
            .iter()
            .zip(positions)
            .filter(|(pattern, _)| !names.has_any_of(pattern))
            .map(|(pattern, position)| unknown_pattern(pattern, *position))
            .collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(ApiError::Validation(unknown)),
        }
    }
}

fn must_be_sent(events: &Subscriptions, positions: &[usize]) -> Result<(), ApiError> {
    let patterns = events.patterns().iter().zip(positions);
    let unknown = patterns.filter(|(pattern, _)| !operational::matches_any(pattern));
    let unknown: Vec<_> = unknown
        .map(|(pattern, position)| {
            let known = OperationalType::ALL.map(OperationalType::as_str).join(", ");
            let message = format!(
                "must match one of {known}, and {} does not",
                pattern.as_str()
            );
            FieldError::new(format!("events[{position}]"), message)
        })
        .collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Validation(unknown)),
    }
}

/// Rejects an event whose type is not in the catalogue.
pub(super) fn must_be_known(
    names: Option<&TypeNames>,
    event_type: &EventType,
) -> Result<(), ApiError> {
    match names {
        Some(names) if !names.has(event_type) => Err(unknown_type(event_type)),
        _ => Ok(()),
    }
}

pub(super) fn unknown_type(event_type: &EventType) -> ApiError {
    let message = format!("must be in the catalogue of event types, and {event_type} is not");
    ApiError::invalid("type", message)
}

fn unknown_pattern(pattern: &EventPattern, position: usize) -> FieldError {
    let pattern = pattern.as_str();
    let message = match pattern.ends_with('*') {
        true => format!("must match a type of the catalogue, and {pattern} matches none"),
        false => format!("must be in the catalogue of event types, and {pattern} is not"),
    };
    FieldError::new(format!("events[{position}]"), message)
}
