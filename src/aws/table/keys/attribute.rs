//! Attribute names. They are short, because DynamoDB counts them toward the size of every
//! item that it reads, writes or stores. No two meanings share a name, because an index
//! projects attributes by name, whatever kind of item they belong to.

/// Partition key.
pub const PK: &str = "pk";
/// Sort key.
pub const SK: &str = "sk";
/// When the item expires, in Unix seconds. DynamoDB's time to live.
pub const EXPIRES_AT: &str = "ttl";
/// When the item was created; for events and deliveries, when the event was accepted.
pub const CREATED_AT: &str = "c";
/// The type of an event, or of a delivery's event.
pub const EVENT: &str = "t";

/// Number of recorded attempts of a delivery.
pub const ATTEMPTS: &str = "n";
/// The recorded attempts; [`attempt`] has their attributes.
pub const ATTEMPT_LOG: &str = "l";
/// Why a delivery ended without another attempt.
pub const ABANDONED: &str = "a";
/// When the receiver accepted a delivery.
pub const DELIVERED_AT: &str = "d";
/// The event of a delivery.
pub const EVENT_ID: &str = "e";
/// When the next attempt is due.
pub const NEXT_RETRY_AT: &str = "r";
/// The payload of a test ping.
pub const PAYLOAD: &str = "p";
/// HTTP status of the last attempt.
pub const RESPONSE_STATUS: &str = "h";
/// First letter of a delivery's status.
pub const STATUS: &str = "s";
/// Present if a delivery is a test ping, of whatever type.
pub const TEST_PING: &str = "tp";
/// Since when a delivery has been waiting for its endpoint.
pub const WAITING_SINCE: &str = "w";

/// Channels of an endpoint or an event.
pub const CHANNELS: &str = "ch";
/// The data of an event, as text or compressed.
pub const DATA: &str = "b";
/// The id of the message that fans out an event.
pub const FAN_OUT_BY: &str = "f";
/// When that message began the fan-out.
pub const FAN_OUT_SINCE: &str = "g";
/// The only endpoint that an event is for.
pub const ONLY_ENDPOINT: &str = "to";
/// Present if the payload of an event, or of a delivery's event, is kept only as long as
/// attempts need it.
pub const EPHEMERAL: &str = "np";
/// The endpoints that still need such a payload.
pub const KEPT_FOR: &str = "nf";
/// When the payload of an event, or of a delivery's event, was deleted.
pub const PAYLOAD_DELETED_AT: &str = "x";
/// The time in an event's payload.
pub const TIMESTAMP: &str = "o";

/// Whether an endpoint gets events.
pub const ACTIVE: &str = "on";
/// When the deletion of an endpoint or an app began.
pub const DELETED_AT: &str = "del";
/// When the service disabled an endpoint.
pub const DISABLED_AT: &str = "dis";
/// Why the service disabled an endpoint.
pub const DISABLED_REASON: &str = "why";
/// An endpoint's subscriptions.
pub const EVENTS: &str = "ev";
/// Since when deliveries to an endpoint have failed.
pub const FAILING_SINCE: &str = "fs";
/// How many deliveries have failed since then.
pub const FAILURES: &str = "fn";
/// An endpoint's own headers; [`headers`] has their attributes.
pub const HEADERS: &str = "hdr";
/// Since when an endpoint has been inactive.
pub const INACTIVE_SINCE: &str = "off";
/// The filter that the data of an endpoint's events must match.
pub const FILTER: &str = "fi";
/// When the last delivery to a failing endpoint failed.
pub const LAST_FAILURE_AT: &str = "fl";
/// The next free turn of an endpoint with a rate limit.
pub const NEXT_TURN: &str = "nt";
/// Since when an endpoint has been paused.
pub const PAUSED_AT: &str = "ps";
/// When the next probe of a paused endpoint is due.
pub const PROBE_AT: &str = "pa";
/// Probes since the pause began.
pub const PROBES: &str = "pn";
/// An endpoint's rate limit, in deliveries per second.
pub const RATE_LIMIT: &str = "rl";
/// The version of the current secret.
pub const SECRET_VERSION: &str = "v";
/// The endpoint's secret, sealed, if it is kept in the item.
pub const SEALED_SECRET: &str = "sealed";
/// The id of the key that the secret is sealed to. In the sealing key's own item, the id of
/// the current key.
pub const SEALING_KEY: &str = "key";
/// The secret's version id in Secrets Manager, if it differs from [`SECRET_VERSION`].
pub const STORED_VERSION: &str = "sv";
/// The secret before the last rotation, while it still signs; [`previous`] has its
/// attributes.
pub const PREVIOUS_SECRET: &str = "prev";
/// Since when an endpoint has been slow.
pub const SLOW_SINCE: &str = "ss";
/// The log of an endpoint's last transitions that the operator is notified of.
pub const TRANSITIONS: &str = "tr";
/// When an endpoint, an app or a type of the catalogue was last changed.
pub const UPDATED_AT: &str = "m";
/// Where deliveries to an endpoint go.
pub const URL: &str = "u";

/// The test ping that holds the endpoint's slot.
pub const PING_ID: &str = "pi";
/// When that ping's lease of the slot ends.
pub const PING_UNTIL: &str = "pu";
/// When the recovery that holds the endpoint's slot was requested.
pub const RECOVERY_ASKED_AT: &str = "ra";
/// The recovery that holds the endpoint's slot.
pub const RECOVERY_ID: &str = "ri";
/// When that recovery's lease of the slot ends.
pub const RECOVERY_UNTIL: &str = "ru";
/// When the secret was last rotated.
pub const ROTATED_AT: &str = "ro";
/// A random id of the last rotation.
pub const ROTATION_ID: &str = "rx";
/// Rotations in the current 24 hours.
pub const ROTATIONS: &str = "rn";
/// When those 24 hours began.
pub const ROTATIONS_SINCE: &str = "rs";

/// Number of an app's endpoints.
pub const ENDPOINT_COUNT: &str = "ec";
/// Number of an app's test pings in a minute.
pub const PINGS: &str = "pg";

/// The public half of the current sealing key.
pub const PUBLIC_KEY: &str = "public";
/// The previous sealing key, while something may still be sealed to it.
pub const REPLACES: &str = "before";

/// A random id of the call that created an app or a type of the catalogue.
pub const CREATED_BY: &str = "by";
/// The metadata of an app or an endpoint.
pub const METADATA: &str = "meta";
/// An app's display name.
pub const NAME: &str = "name";

/// Whether new subscriptions should avoid a type of the catalogue.
pub const DEPRECATED: &str = "old";
/// The description of an endpoint or of a type of the catalogue.
pub const DESCRIPTION: &str = "desc";
/// Example data of a type of the catalogue.
pub const EXAMPLE: &str = "ex";
/// The heading under which a type of the catalogue is shown.
pub const GROUP: &str = "grp";
/// The JSON Schema for the data of a type of the catalogue.
pub const SCHEMA: &str = "js";
/// The names of all types of the catalogue.
pub const TYPE_NAMES: &str = "types";

/// The app of an API key.
pub const APP_ID: &str = "app";
/// The only endpoint that a session can reach.
pub const ENDPOINT_ID: &str = "hook";
/// The first characters of an API key, so that people can tell keys apart.
pub const HINT: &str = "hint";
/// The operator's name for an API key.
pub const LABEL: &str = "label";
/// The scope of an API key.
pub const SCOPE: &str = "scope";
/// When an API key was revoked.
pub const REVOKED_AT: &str = "rev";

/// Names within the entries of [`ATTEMPT_LOG`].
pub mod attempt {
    /// What went wrong with the response body.
    pub const BODY_NOTE: &str = "m";
    /// Duration of the attempt in milliseconds.
    pub const DURATION: &str = "d";
    /// Why there was no response.
    pub const FAILURE: &str = "f";
    /// The target of a redirect.
    pub const LOCATION: &str = "l";
    /// The attempt's number, from 1.
    pub const NUMBER: &str = "n";
    /// The first part of the response body.
    pub const RESPONSE_BODY: &str = "b";
    /// HTTP status of the response.
    pub const RESPONSE_STATUS: &str = "h";
    /// When the attempt started.
    pub const STARTED_AT: &str = "s";
}

/// Names within [`HEADERS`].
pub mod headers {
    /// Names and values, sealed.
    pub const SEALED: &str = "b";
    /// The id of the key that the headers are sealed to.
    pub const SEALING_KEY: &str = "k";
    /// Header names in plain text.
    pub const NAMES: &str = "n";
    /// The version, which changes with every change of the headers.
    pub const VERSION: &str = "v";
}

/// Names within [`PREVIOUS_SECRET`].
pub mod previous {
    /// The secret, sealed, if it is kept in the item.
    pub const SEALED_SECRET: &str = "b";
    /// The id of the key that the secret is sealed to.
    pub const SEALING_KEY: &str = "k";
    /// The version id in Secrets Manager, if the secret is kept there.
    pub const STORED_VERSION: &str = "s";
    /// When the secret stops signing.
    pub const UNTIL: &str = "u";
    /// The secret's version, wherever it is kept.
    pub const VERSION: &str = "v";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn attribute_names_are_unique() {
        let (source, _) = include_str!("attribute.rs").split_once("#[cfg").unwrap();
        let mut modules = source.split("pub mod ");
        let of_items = modules.next().unwrap();
        let sources = [(of_items, 50)].into_iter();
        for (source, least) in sources.chain(modules.map(|module| (module, 4))) {
            let names = source.split(r#": &str = ""#).skip(1);
            let names: Vec<_> = names.filter_map(|rest| rest.split('"').next()).collect();
            assert!(names.len() >= least, "{names:?}");
            let different: HashSet<_> = names.iter().collect();
            assert_eq!(different.len(), names.len(), "{names:?}");
        }
    }
}
