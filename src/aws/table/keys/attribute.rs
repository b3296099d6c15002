//! Names of attributes. They are short because DynamoDB counts them with each item that
//! it reads, writes or stores. No two meanings share a name: an index includes attributes
//! by name, whatever kind of item they belong to.

/// Partition key.
pub const PK: &str = "pk";
/// Sort key.
pub const SK: &str = "sk";
/// When the item expires, in Unix seconds: DynamoDB's time to live.
pub const EXPIRES_AT: &str = "ttl";
/// When it was created; of events and deliveries, when the event was accepted.
pub const CREATED_AT: &str = "c";
/// The type of an event, and of the event of a delivery.
pub const EVENT: &str = "t";

/// How many attempts of a delivery are recorded.
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
/// Since when a delivery waits for its paused endpoint.
pub const WAITING_SINCE: &str = "w";

/// Channels of an endpoint or an event.
pub const CHANNELS: &str = "ch";
/// The data of an event, as text or compressed.
pub const DATA: &str = "b";
/// The id of the message that fans an event out.
pub const FAN_OUT_BY: &str = "f";
/// Since when that message does.
pub const FAN_OUT_SINCE: &str = "g";
/// The only endpoint that an event is for.
pub const ONLY_ENDPOINT: &str = "to";
/// Present if the payload of an event, or of a delivery's event, is kept for its attempts
/// only.
pub const EPHEMERAL: &str = "np";
/// The endpoints whose attempts such a payload is kept for.
pub const KEPT_FOR: &str = "nf";
/// When the payload was deleted: of an event, or of a delivery's event.
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
/// What an endpoint subscribes to.
pub const EVENTS: &str = "ev";
/// Since when deliveries to an endpoint have failed.
pub const FAILING_SINCE: &str = "fs";
/// How many have failed since then.
pub const FAILURES: &str = "fn";
/// An endpoint's own headers; [`headers`] has their attributes.
pub const HEADERS: &str = "hdr";
/// Since when an endpoint has been inactive.
pub const INACTIVE_SINCE: &str = "off";
/// What the data of an endpoint's events has to match.
pub const FILTER: &str = "fi";
/// When the last of them failed.
pub const LAST_FAILURE_AT: &str = "fl";
/// The next turn of an endpoint that limits its rate.
pub const NEXT_TURN: &str = "nt";
/// Since when an endpoint has been paused.
pub const PAUSED_AT: &str = "ps";
/// When the next probe of a paused endpoint is due.
pub const PROBE_AT: &str = "pa";
/// Probes since the pause began.
pub const PROBES: &str = "pn";
/// Deliveries a second that an endpoint takes.
pub const RATE_LIMIT: &str = "rl";
/// The version of the secret that signs.
pub const SECRET_VERSION: &str = "v";
/// The endpoint's secret, if it is kept in its item.
pub const SEALED_SECRET: &str = "sealed";
/// The id of the key that it is sealed to; of the key's item, of the current one.
pub const SEALING_KEY: &str = "key";
/// The secret's version in Secrets Manager, if that has another id there.
pub const STORED_VERSION: &str = "sv";
/// The secret before that one, while it still signs; [`previous`] has its attributes.
pub const PREVIOUS_SECRET: &str = "prev";
/// Since when an endpoint has been slow.
pub const SLOW_SINCE: &str = "ss";
/// The log of an endpoint's last transitions that the operator was told of.
pub const TRANSITIONS: &str = "tr";
/// When an endpoint, an app or a type of the catalogue was changed.
pub const UPDATED_AT: &str = "m";
/// Where deliveries to an endpoint go.
pub const URL: &str = "u";

/// The test ping that holds the endpoint's slot.
pub const PING_ID: &str = "pi";
/// Until when it does.
pub const PING_UNTIL: &str = "pu";
/// When the recovery that holds the endpoint's slot was requested.
pub const RECOVERY_ASKED_AT: &str = "ra";
/// That recovery.
pub const RECOVERY_ID: &str = "ri";
/// Until when it holds the slot.
pub const RECOVERY_UNTIL: &str = "ru";
/// When a secret was last rotated.
pub const ROTATED_AT: &str = "ro";
/// Identifies that rotation.
pub const ROTATION_ID: &str = "rx";
/// Rotations in the current 24 hours.
pub const ROTATIONS: &str = "rn";
/// When those 24 hours began.
pub const ROTATIONS_SINCE: &str = "rs";

/// How many endpoints an app has.
pub const ENDPOINT_COUNT: &str = "ec";
/// Test pings of an app in a minute.
pub const PINGS: &str = "pg";

/// The public half of the current sealing key.
pub const PUBLIC_KEY: &str = "public";
/// The sealing key before the current one, while something may be sealed to it.
pub const REPLACES: &str = "before";

/// The call that made an app or a type of the catalogue.
pub const MADE_BY: &str = "by";
/// What the platform notes about an app or an endpoint.
pub const METADATA: &str = "meta";
/// What people call an app.
pub const NAME: &str = "name";

/// Whether new subscriptions should avoid a type of the catalogue.
pub const DEPRECATED: &str = "old";
/// What people note about an endpoint, and what a type of the catalogue means.
pub const DESCRIPTION: &str = "desc";
/// Data that an event of a type of the catalogue could have.
pub const EXAMPLE: &str = "ex";
/// The heading that a type of the catalogue is shown under.
pub const GROUP: &str = "grp";
/// JSON Schema of the data of a type of the catalogue.
pub const SCHEMA: &str = "js";
/// The names of all types of the catalogue.
pub const TYPE_NAMES: &str = "types";

/// The app of an API key.
pub const APP_ID: &str = "app";
/// The only endpoint that a session reaches.
pub const ENDPOINT_ID: &str = "hook";
/// The beginning of an API key, to tell it from others.
pub const HINT: &str = "hint";
/// What the operator calls an API key.
pub const LABEL: &str = "label";
/// What an API key allows.
pub const SCOPE: &str = "scope";
/// When an API key was revoked.
pub const REVOKED_AT: &str = "rev";

/// Names within the entries of [`ATTEMPT_LOG`].
pub mod attempt {
    /// What went wrong with the response's body.
    pub const BODY_NOTE: &str = "m";
    /// Milliseconds that the attempt took.
    pub const DURATION: &str = "d";
    /// Why there was no response.
    pub const FAILURE: &str = "f";
    /// Where a redirect points.
    pub const LOCATION: &str = "l";
    /// Counted from 1.
    pub const NUMBER: &str = "n";
    /// The beginning of the response's body.
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
    /// The id of the key that they are sealed to.
    pub const SEALING_KEY: &str = "k";
    /// Their names.
    pub const NAMES: &str = "n";
    /// Their version.
    pub const VERSION: &str = "v";
}

/// Names within [`PREVIOUS_SECRET`].
pub mod previous {
    /// The sealed secret, if it is kept here.
    pub const SEALED_SECRET: &str = "b";
    /// The id of the key that it is sealed to.
    pub const SEALING_KEY: &str = "k";
    /// Its version in Secrets Manager, if it is kept there.
    pub const STORED_VERSION: &str = "s";
    /// Until when it signs.
    pub const UNTIL: &str = "u";
    /// Its version.
    pub const VERSION: &str = "v";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_two_meanings_share_a_name() {
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
