//! Keys of what is stored for an event.

use super::key;
use crate::aws::table::Item;
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId};

pub(in crate::aws::table) fn event_partition(app_id: AppId, id: EventId) -> String {
    format!("APP#{app_id}#V#{id}")
}

const EVENT_SORT: &str = "V";

pub(in crate::aws::table) fn event(app_id: AppId, id: EventId) -> Item {
    key(event_partition(app_id, id), EVENT_SORT.to_owned())
}

/// The record that an event is fanned out.
pub(in crate::aws::table) fn fanned_out(app_id: AppId, id: EventId) -> Item {
    key(event_partition(app_id, id), "F".to_owned())
}

/// First part of the sort key of [`repeat`].
pub(in crate::aws::table) const REPEAT: &str = "R#";

/// The record that a delivery repeats an event. The delivery that an event makes itself
/// needs none, because its id follows from those of the event and the endpoint.
pub(in crate::aws::table) fn repeat(endpoint: EndpointKey, event: EventId, id: DeliveryId) -> Item {
    let EndpointKey {
        app_id,
        endpoint_id,
    } = endpoint;
    let sort = format!("{REPEAT}{endpoint_id}#{id}");
    key(event_partition(app_id, event), sort)
}

/// The endpoint and the delivery of the sort key of [`repeat`].
pub(in crate::aws::table) fn repeat_of_sort(sk: &str) -> Option<(EndpointId, DeliveryId)> {
    let (endpoint, delivery) = sk.strip_prefix(REPEAT)?.split_once('#')?;
    let endpoint = EndpointId::parse(endpoint).ok()?;
    Some((endpoint, DeliveryId::parse(delivery).ok()?))
}
