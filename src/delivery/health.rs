//! Writes what attempts change about their endpoints' health, and enqueues work on the
//! waiting deliveries when a pause begins or ends.
//!
//! None of this fails an attempt. The endpoint's next attempt makes up for a missed
//! write. The schedule makes up for a missed message: the same write gives the endpoint
//! its place there. Only for a notice to the operator there is no such fallback, so its
//! attempt's message comes back: see [`super::notices`].

use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::domain::endpoint::{Disabled, DisabledReason, Endpoint, EndpointKey};
use crate::domain::health::{Change, Health, Pause};
use crate::domain::message::{Lane, Message, Tend};
use crate::domain::notice::Notice;
use crate::domain::transition::{self, Cause, Transition};

/// Tries to write a success while concurrent attempts write failures.
const TRIES: usize = 3;

impl Deliverer {
    /// Marks the endpoint as slow, because an attempt takes too long.
    pub(super) async fn note_slow(&self, endpoint: &Endpoint) {
        let now = self.clock.now();
        let old = endpoint.health;
        // A batch may have many attempts at this endpoint. One of them writes the mark.
        if old.slow_since.is_some() || !self.slow_notes.begin(endpoint.key, now) {
            return;
        }
        let new = Health {
            slow_since: Some(now),
            ..old
        };
        let table = &self.stores.table;
        match table.set_health(endpoint, &new, now).await {
            Ok(true) => info!(
                app_id = %endpoint.key.app_id,
                endpoint_id = %endpoint.key.endpoint_id,
                "endpoint is slow"
            ),
            Ok(false) => {}
            Err(error) => report_failure(endpoint.key, &error),
        }
    }

    /// Writes what an attempt changes about its endpoint, and notifies the operator.
    ///
    /// # Errors
    /// If a notice could not be sent, or if a transition may be written without its
    /// notice.
    pub(super) async fn change_health(
        &self,
        endpoint: &Endpoint,
        cause: Cause,
        change: Change,
    ) -> Result<(), HandleError> {
        let transition = match change {
            Change::Unchanged => return Ok(()),
            Change::Health(new) => self.set_health(endpoint, new, cause).await?,
            Change::Disable(reason) => self.disable(endpoint, reason, cause).await?,
        };
        match transition {
            Some(transition) => {
                let notice = Notice::of_transition(endpoint, transition);
                self.notify(&notice).await
            }
            None => Ok(()),
        }
    }

    /// Returns the transition that was written and needs a notice.
    async fn set_health(
        &self,
        endpoint: &Endpoint,
        new: Health,
        cause: Cause,
    ) -> Result<Option<Transition>, StoreError> {
        let (table, now) = (&self.stores.table, cause.at);
        let (mut endpoint, mut new) = (endpoint.clone(), new);
        for _ in 0..TRIES {
            let transition = transition::to_health(&endpoint, &new, cause);
            let written = table.set_health_and_log(&endpoint, &new, transition, now);
            let written = match written.await {
                Ok(written) => written,
                Err(error) => return unwritten(endpoint.key, error, transition),
            };
            if written {
                let old = endpoint.health.pause;
                let followed = self.follow_pause(endpoint.key, old, new.pause, now).await;
                if let Err(error) = followed {
                    report_failure(endpoint.key, &error);
                }
                return Ok(transition);
            }
            // Another attempt changed the health first, and did what follows from that. A
            // success must not get lost this way, though: it counts even if a failure was
            // written at the same time. So re-read the endpoint and apply the success to
            // it.
            if new.failing.is_some() || endpoint.health.failing.is_none() {
                return Ok(None);
            }
            let found = match table.endpoint(endpoint.key).await {
                Ok(found) => found,
                Err(error) => return unwritten(endpoint.key, error, None),
            };
            // A new URL begins with a health of its own.
            let Some(found) = found.filter(|found| found.url == endpoint.url) else {
                return Ok(None);
            };
            let Some(again) = found.health.after_success_on(&endpoint.health, &new) else {
                return Ok(None);
            };
            (endpoint, new) = (found, again);
        }
        Ok(None)
    }

    /// Does what follows from a pause that began, ended, or goes on with another probe.
    async fn follow_pause(
        &self,
        key: EndpointKey,
        old: Option<Pause>,
        new: Option<Pause>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match (old, new) {
            (was, is) if was == is => {}
            (None, None) => {}
            (was, Some(pause)) => {
                if was.is_none() {
                    warn!(
                        app_id = %key.app_id,
                        endpoint_id = %key.endpoint_id,
                        operational_event = "endpoint.paused",
                        "endpoint paused"
                    );
                    self.metrics.endpoint_paused();
                }
                if let Some(probe_at) = pause.probe_at {
                    self.tend_at(key, probe_at, now).await?;
                }
            }
            (Some(pause), None) => {
                let seconds = now.duration_since(pause.since).as_secs();
                info!(
                    app_id = %key.app_id,
                    endpoint_id = %key.endpoint_id,
                    seconds,
                    operational_event = "endpoint.resumed",
                    "endpoint resumed"
                );
                self.metrics.endpoint_resumed();
                self.tend_at(key, now, now).await?;
            }
        }
        Ok(())
    }

    /// Enqueues a message that handles an endpoint's waiting deliveries at this time,
    /// which is the endpoint's place in the schedule. If the message is lost, the sweep
    /// finds the endpoint overdue there.
    pub(super) async fn tend_at(
        &self,
        endpoint: EndpointKey,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tend = Tend {
            due_at: Some(at),
            ..Tend::now(endpoint)
        };
        let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let message = (Message::Tend(tend), wait);
        self.stores.queues.send_all(Lane::Slow, [message]).await
    }

    /// Returns the transition that was written and needs a notice.
    async fn disable(
        &self,
        endpoint: &Endpoint,
        reason: DisabledReason,
        cause: Cause,
    ) -> Result<Option<Transition>, StoreError> {
        let (key, at) = (endpoint.key, cause.at);
        let failing = endpoint.health.failing;
        // The write is conditional on this time: a success meanwhile has cleared it, and
        // the endpoint must not be disabled.
        let since = failing
            .filter(|_| reason == DisabledReason::Failing)
            .map(|failing| failing.since);
        let disabled = Disabled { reason, at };
        let table = &self.stores.table;
        let transition = transition::to_disabled(endpoint, reason, cause);
        let written = table.disable_endpoint(endpoint, disabled, since, transition);
        match written.await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return unwritten(key, error, transition),
        }
        warn!(
            app_id = %key.app_id,
            endpoint_id = %key.endpoint_id,
            reason = reason.as_str(),
            operational_event = "endpoint.disabled",
            "endpoint disabled"
        );
        self.metrics.endpoint_disabled(reason);
        // Deliveries may wait for the endpoint. Have them ended now, not when it is
        // overdue.
        if endpoint.place.is_some() {
            let tend = Message::Tend(Tend::now(key));
            if let Err(error) = self.stores.queues.send(Lane::Slow, &tend).await {
                report_failure(key, &error);
            }
        }
        Ok(transition)
    }
}

/// Handles a failure to write an endpoint's health. It is only logged, because the
/// endpoint's next attempt makes up for it. With a transition, it fails the attempt's
/// message: the write may have succeeded all the same, and nobody would be notified.
fn unwritten(
    endpoint: EndpointKey,
    error: StoreError,
    transition: Option<Transition>,
) -> Result<Option<Transition>, StoreError> {
    match transition {
        Some(_) => Err(error),
        None => {
            report_failure(endpoint, &error);
            Ok(None)
        }
    }
}

fn report_failure(endpoint: EndpointKey, error: &StoreError) {
    warn!(
        app_id = %endpoint.app_id,
        endpoint_id = %endpoint.endpoint_id,
        %error,
        "failed to update the endpoint's health"
    );
}
