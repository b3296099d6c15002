//! Writes a world down, takes it up again, and finds out what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::IntoResponse;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute::{
    ABANDONED, ACTIVE, ATTEMPTS, FAILING_SINCE, PAUSED_AT, STATUS,
};
use webhook_endpoints::domain::secret::SecretStorage;

use super::super::answer;
use super::super::item_json::{item_of_json, item_to_json};
use super::super::receiver::{Received, Receiver};
use super::play::Play;
use super::{Arrival, Outcome, RECEIVER, Secret, World};

/// Longer than the retries of a delivery take.
const LONG: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// Headers that only endpoints of their own have.
const OWN_HEADERS: [&str; 2] = ["authorization", "x-own"];

/// In the partitions of the operator's own app, ids differ with each run.
const OPERATIONAL: &str = "operational";

impl World {
    /// What a version left behind.
    pub async fn of(play: &Play, scene: &str) -> Self {
        let mut items: Vec<_> = play.items().await.iter().map(item_to_json).collect();
        items.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
        let items = json!(items).to_string().replace(play.base(), RECEIVER);
        Self {
            scene: scene.to_owned(),
            now: play.clock.now(),
            keys: play.keys.clone(),
            signing: play.signing.clone(),
            secrets: secrets_of(play).await,
            messages: play.pending.clone(),
            items: serde_json::from_str(&items).expect("parse the items"),
            outcome: Outcome::default(),
        }
    }

    /// Takes it up again. From now on the receivers take everything.
    pub async fn play(&self) -> Play {
        let receiver = Receiver::responding(|_| StatusCode::OK.into_response()).await;
        let mut play = Play::start(SecretStorage::PerEndpoint, self.now, receiver).await;
        let base = play.base().to_owned();
        for item in &self.items {
            let item = item.to_string().replace(RECEIVER, &base);
            let item: Value = serde_json::from_str(&item).expect("parse the item");
            let aws = &play.app.aws;
            let put = aws.clients.dynamodb.put_item();
            let put = put.table_name(&aws.resources.table_name);
            let put = put.set_item(Some(item_of_json(&item))).send().await;
            put.expect("write the item");
        }
        for secret in &self.secrets {
            restore(&play, secret).await;
        }
        play.pending = self.messages.clone();
        play.keys = self.keys.clone();
        play.signing = self.signing.clone();
        play.app.aws.wire.take();
        play
    }

    /// What it shows, and what becomes of it.
    pub async fn find_outcome(&self) -> Outcome {
        self.find_outcome_and_items().await.0
    }

    /// The same, and the items in the end.
    pub async fn find_outcome_and_items(&self) -> (Outcome, Vec<Value>) {
        let mut play = self.play().await;
        let shown = shown(&mut play).await;
        assert!(
            play.rest_within(LONG).await,
            "{} goes on forever",
            self.scene
        );
        assert_eq!(play.letters, [], "{}", self.scene);
        let outcome = Outcome {
            shown,
            ..play.outcome().await
        };
        let items = play.items().await.iter().map(item_to_json).collect();
        (outcome, items)
    }
}

impl Play {
    /// What has arrived, and what is recorded.
    pub async fn outcome(&self) -> Outcome {
        let received = self.receiver.received();
        let mut arrived: Vec<_> = received.iter().map(|it| self.arrival(it)).collect();
        arrived.sort_unstable();
        Outcome {
            shown: BTreeMap::new(),
            arrived,
            recorded: self.recorded().await,
        }
    }

    /// Asserts that what arrived is signed with a secret of its endpoint.
    fn arrival(&self, received: &Received) -> Arrival {
        let path = received.uri.path();
        let secrets = self.signing.get(path);
        let secrets = secrets.unwrap_or_else(|| panic!("{path} has no secret"));
        let is_signed = secrets.iter().any(|it| received.was_signed_with(it));
        assert!(is_signed, "{path} got a wrong signature");
        let own = OWN_HEADERS.into_iter().filter_map(|name| {
            let value = received.headers.get(name)?.to_str().ok()?;
            Some((name.to_owned(), value.to_owned()))
        });
        let body = String::from_utf8(received.body.to_vec()).expect("read the body");
        let is_operational = path.ends_with(OPERATIONAL);
        let type_of = |body: &str| {
            let body: Value = serde_json::from_str(body).expect("parse the body");
            body["type"].to_string()
        };
        Arrival {
            path: path.to_owned(),
            webhook_id: (!is_operational).then(|| received.header("webhook-id").to_owned()),
            headers: own.collect(),
            body: match is_operational {
                true => type_of(&body),
                false => body,
            },
        }
    }

    async fn recorded(&self) -> BTreeMap<String, String> {
        let items = self.items().await;
        let items = items.iter().map(item_to_json).filter_map(|item| {
            let (pk, sk) = (item["pk"]["S"].as_str()?, item["sk"]["S"].as_str()?);
            let recorded = match sk.split('#').next()? {
                "D" => {
                    let (status, attempts) = (&item[STATUS]["S"], &item[ATTEMPTS]["N"]);
                    let ended = item[ABANDONED]["S"].as_str().unwrap_or_default();
                    format!("{status} {attempts} {ended}")
                }
                "E" => {
                    let has = |name| item.get(name).is_some();
                    let (failing, paused) = (has(FAILING_SINCE), has(PAUSED_AT));
                    let active = &item[ACTIVE]["BOOL"];
                    format!("active {active}, failing {failing}, paused {paused}")
                }
                _ => return None,
            };
            (!pk.contains(OPERATIONAL)).then(|| (format!("{pk} {sk}"), recorded))
        });
        items.collect()
    }
}

/// What the API shows of every item, by path.
async fn shown(play: &mut Play) -> BTreeMap<String, Value> {
    let mut paths = vec!["/event-types".to_owned(), "/apps".to_owned()];
    for item in play.items().await {
        let part = |name: &str| item[name].as_s().expect("read the key").clone();
        let (pk, sk) = (part("pk"), part("sk"));
        let pk: Vec<_> = pk.split('#').collect();
        let sk: Vec<_> = sk.split('#').collect();
        match (pk.as_slice(), sk.as_slice()) {
            (["APP", app], ["APP"]) if *app != OPERATIONAL => {
                paths.extend(
                    ["", "/keys", "/webhooks?view=full"].map(|it| format!("/apps/{app}{it}")),
                );
            }
            (["APP", app], ["E", id]) => {
                let lists = ["", "/deliveries", "/deliveries?status=PENDING"];
                let lists = lists.into_iter().chain(["/deliveries?status=FAILED"]);
                paths.extend(lists.map(|it| format!("/apps/{app}/webhooks/{id}{it}")));
            }
            (["APP", app, "E", endpoint], ["D", id]) => {
                paths.push(format!("/apps/{app}/webhooks/{endpoint}/deliveries/{id}"));
            }
            (["APP", app, "V", id], ["V"]) => paths.push(format!("/apps/{app}/events/{id}")),
            _ => {}
        }
    }
    let mut shown = BTreeMap::new();
    for path in paths {
        let answered = play.call(Method::GET, &path, Value::Null).await;
        shown.insert(path, plain(play, &answered.body));
    }
    for (index, key) in play.keys.iter().enumerate() {
        let request = play.app.api.bare(Method::GET, "/key");
        let answered = answer(request.header("x-api-key", key)).await;
        shown.insert(format!("/key of {index}"), plain(play, &answered.body));
    }
    shown
}

/// What an answer says, without what differs with each run.
fn plain(play: &Play, body: &Value) -> Value {
    let body = body.to_string().replace(play.base(), RECEIVER);
    let mut body: Value = serde_json::from_str(&body).expect("parse the answer");
    match body["success"] == true {
        true => body["data"].take(),
        false => body["error"]["code"].take(),
    }
}

async fn secrets_of(play: &Play) -> Vec<Secret> {
    let client = &play.app.aws.clients.secrets;
    let mut secrets = Vec::new();
    for name in play.app.aws.all_secret_names().await {
        let listed = client.list_secret_version_ids().secret_id(&name);
        let listed = listed.include_deprecated(true).send().await;
        let mut versions = listed
            .expect("list the versions")
            .versions
            .unwrap_or_default();
        versions.sort_by_key(|version| {
            let stages = version.version_stages.clone().unwrap_or_default();
            stages.iter().any(|stage| stage == "AWSCURRENT")
        });
        let mut kept = Vec::new();
        for version in versions {
            let id = version.version_id.expect("read the version");
            let value = client.get_secret_value().secret_id(&name).version_id(&id);
            let value = value.send().await.expect("read the secret");
            kept.push((id, value.secret_string.expect("read the text")));
        }
        secrets.push(Secret {
            name,
            versions: kept,
        });
    }
    play.app.aws.wire.take();
    secrets
}

async fn restore(play: &Play, secret: &Secret) {
    let client = &play.app.aws.clients.secrets;
    // Without a value: the emulator takes the id of a version only for later ones.
    let created = client.create_secret().name(&secret.name).send().await;
    created.expect("make the secret");
    for (id, value) in &secret.versions {
        let put = client.put_secret_value().secret_id(&secret.name);
        let put = put.client_request_token(id).secret_string(value);
        put.send().await.expect("store the version");
    }
}
