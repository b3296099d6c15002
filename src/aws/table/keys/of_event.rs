//! Keys of the items in an event's partition.

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

/// The record that the fan-out of an event is complete.
pub(in crate::aws::table) fn fanned_out(app_id: AppId, id: EventId) -> Item {
    key(event_partition(app_id, id), "F".to_owned())
}

/// Prefix of the sort key of [`repeat`].
pub(in crate::aws::table) const REPEAT: &str = "R#";

/// The record of a delivery that repeats an event: a resend or part of a recovery. An
/// event's first delivery to an endpoint needs none, because its id is derived from the
/// ids of the event and the endpoint.
pub(in crate::aws::table) fn repeat(endpoint: EndpointKey, event: EventId, id: DeliveryId) -> Item {
    let EndpointKey {
        app_id,
        endpoint_id,
    } = endpoint;
    let sort = format!("{REPEAT}{endpoint_id}#{id}");
    key(event_partition(app_id, event), sort)
}

/// Inverse of the sort key of [`repeat`].
pub(in crate::aws::table) fn repeat_of_sort(sk: &str) -> Option<(EndpointId, DeliveryId)> {
    let (endpoint, delivery) = sk.strip_prefix(REPEAT)?.split_once('#')?;
    let endpoint = EndpointId::parse(endpoint).ok()?;
    Some((endpoint, DeliveryId::parse(delivery).ok()?))
}
