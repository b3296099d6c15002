//! What a version of the service left behind at one moment: its table, its secrets, and the
//! messages that were on their way. A world can be written down, and taken up again by
//! another version.

pub mod files;
pub mod load;
pub mod play;
pub mod shape;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::time::serde_millis;

/// Stands for the receiver in everything that is written down: its port is another one in
/// each run.
pub const RECEIVER: &str = "http://receiver.test";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// What has happened.
    pub scene: String,
    #[serde(with = "serde_millis")]
    pub now: Timestamp,
    /// API keys that work. Made for this world only.
    pub keys: Vec<String>,
    /// The signing secrets of the endpoints, by the paths of their URLs.
    pub signing: BTreeMap<String, Vec<String>>,
    /// What Secrets Manager has.
    pub secrets: Vec<Secret>,
    pub messages: Vec<Pending>,
    pub items: Vec<Value>,
    #[serde(default)]
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    /// The ids and values of its versions, the current one last.
    pub versions: Vec<(String, String)>,
}

/// A message that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub id: String,
    #[serde(with = "lane")]
    pub lane: Lane,
    pub body: String,
    #[serde(with = "serde_millis")]
    pub sent_at: Timestamp,
    #[serde(with = "serde_millis")]
    pub due_at: Timestamp,
    /// How often it was received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub receives: u32,
    /// What a dead letter says of its first message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What a world shows, and what becomes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the API answers before anything else happens.
    pub shown: BTreeMap<String, Value>,
    /// What arrives at receivers that take everything, sorted.
    pub arrived: Vec<Arrival>,
    /// What is recorded of deliveries and endpoints when nothing is on its way any more.
    pub recorded: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Arrival {
    pub path: String,
    /// Absent if every run makes another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    pub body: String,
    /// The endpoint's own headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

mod lane {
    use serde::{Deserialize, Deserializer, Serializer};
    use webhook_endpoints::domain::message::Lane;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub fn serialize<S: Serializer>(lane: &Lane, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match lane {
            Lane::Fast => "fast",
            Lane::Slow => "slow",
        })
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lane, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "fast" => Ok(Lane::Fast),
            "slow" => Ok(Lane::Slow),
            other => Err(serde::de::Error::custom(format!("{other} is no lane"))),
        }
    }
}
