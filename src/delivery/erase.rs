//! Erases responses recorded by attempts that were in flight when the payload of their
//! event was deleted. The API erases what is recorded by then; this erases what came
//! later.

use tracing::info;

use super::Deliverer;
use crate::aws::StoreError;
use crate::domain::event::EventRecord;
use crate::domain::message::Erasure;

impl Deliverer {
    /// Calls: a `GetItem` of the event, and those that erase its deliveries' answers.
    pub(super) async fn erase(&self, erasure: Erasure) -> Result<(), StoreError> {
        let Erasure { app_id, event_id } = erasure;
        let (table, now) = (&self.stores.table, self.clock.now());
        let found = table.event(app_id, event_id, now).await?;
        let Some(event) = found.and_then(EventRecord::event) else {
            return Ok(());
        };
        if event.payload.deleted_at().is_none() {
            return Ok(());
        }
        table.erase_answers(app_id, event_id, &event, now).await?;
        info!(%app_id, %event_id, "answers to a deleted event erased");
        Ok(())
    }
}
