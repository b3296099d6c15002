//! What the present version writes: scenes that drive the service to each kind of item and
//! message. After every step, the world is written down.

mod events;
mod management;
mod pauses;
mod secrets;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::IntoResponse;
use local::service;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::secret::SecretStorage;

use super::queue::endpoint_id;
use super::receiver::Receiver;
use super::world::World;
use super::world::play::Play;
use super::world::shape::shapes_of;

/// The app of all scenes.
pub const APP: &str = "acme";

/// A scene while it is played.
pub struct Scene {
    pub play: Play,
    /// Whether the receivers answer errors, but for those that always take everything.
    pub is_down: Arc<AtomicBool>,
    name: &'static str,
    worlds: Vec<World>,
}

/// The worlds that together have every shape, as few as may be.
pub async fn worlds() -> Vec<World> {
    let scenes = tokio::join!(
        events::play(),
        pauses::play(),
        management::play(),
        secrets::play(),
        values::play(),
    );
    let (events, pauses, management, secrets, values) = scenes;
    let all = [events, pauses, management, secrets, values];
    all.into_iter().flat_map(chosen).collect()
}

/// Those of a scene's worlds that have all of its shapes.
fn chosen(scene: Scene) -> Vec<World> {
    let mut left: Vec<_> = scene
        .worlds
        .into_iter()
        .map(|world| (shapes_of(&world), world))
        .collect();
    let mut seen = BTreeSet::new();
    let mut chosen = Vec::new();
    loop {
        let news = |shapes: &BTreeSet<String>| shapes.difference(&seen).count();
        let best = left.iter().enumerate().max_by_key(|(index, (shapes, _))| {
            // Of those with as many, the first.
            (news(shapes), usize::MAX - index)
        });
        match best {
            Some((index, (shapes, _))) if news(shapes) > 0 => {
                let (shapes, world) = left.remove(index);
                seen.extend(shapes);
                chosen.push(world);
            }
            _ => return chosen,
        }
    }
}

impl Scene {
    async fn start(name: &'static str, storage: SecretStorage) -> Self {
        let is_down = Arc::new(AtomicBool::new(false));
        let down = Arc::clone(&is_down);
        let receiver = Receiver::responding(move |received| {
            let path = received.uri.path();
            if path.starts_with("/gone") {
                (StatusCode::GONE, "gone").into_response()
            } else if path.starts_with("/moved") {
                let location = [("location", "https://example.com/elsewhere")];
                (StatusCode::FOUND, location, "").into_response()
            } else if path.starts_with("/fails") || down.load(Ordering::SeqCst) {
                (StatusCode::INTERNAL_SERVER_ERROR, "down").into_response()
            } else {
                (StatusCode::OK, "taken").into_response()
            }
        })
        .await;
        // Ids that the service issues have the time of day in them.
        let begin = Clock::system().now();
        let mut play = Play::start(storage, begin, receiver).await;
        let key = service::new_key();
        play.app.add_key(app(), &key).await;
        for key in [&key, &play.app.platform_key] {
            play.keys.push(key.expose().to_owned());
        }
        Self {
            play,
            is_down,
            name,
            worlds: Vec::new(),
        }
    }

    /// Writes the world down.
    async fn note(&mut self, what: &str) {
        self.play.collect();
        let scene = format!("{}: {what}", self.name);
        self.worlds.push(World::of(&self.play, &scene).await);
    }

    /// Makes a call that succeeds, below the app.
    async fn call(&mut self, method: Method, path: &str, body: Value) -> Value {
        let path = format!("/apps/{APP}{path}");
        self.call_at(method, &path, body).await
    }

    /// The same, from the root on.
    async fn call_at(&mut self, method: Method, path: &str, body: Value) -> Value {
        let answered = self.play.call(method, path, body).await;
        assert!(answered.status.is_success(), "{path}: {answered:?}");
        answered.body["data"].clone()
    }

    /// Creates an endpoint with these fields, whose URL has this path.
    async fn create(&mut self, path: &str, fields: Value) -> String {
        self.create_in(APP, path, fields).await
    }

    async fn create_in(&mut self, app: &str, path: &str, fields: Value) -> String {
        let mut body = json!({"url": format!("{}{path}", self.play.base()), "events": ["*"]});
        for (name, value) in fields.as_object().expect("read the fields") {
            body[name] = value.clone();
        }
        let below = format!("/apps/{app}/webhooks");
        let created = self.call_at(Method::POST, &below, body).await;
        self.knows(path, &created["secret"]);
        text(&created["id"])
    }

    /// Notes a secret of the endpoint with this path.
    fn knows(&mut self, path: &str, secret: &Value) {
        let secrets = self.play.signing.entry(path.to_owned()).or_default();
        secrets.push(text(secret));
    }

    async fn publish(&mut self, fields: Value) -> String {
        let mut event = json!({"type": "invoice.paid", "data": {"n": 1}});
        for (name, value) in fields.as_object().expect("read the fields") {
            event[name] = value.clone();
        }
        let accepted = self.call(Method::POST, "/events", event).await;
        text(&accepted["id"])
    }

    /// Handles so many messages, and notes what each of them changes.
    async fn handle(&mut self, most: usize, what: &str) {
        for _ in 0..most {
            if !self.play.handle_next().await {
                return;
            }
            self.note(what).await;
        }
    }

    fn key(&self, endpoint: &str) -> EndpointKey {
        EndpointKey {
            app_id: app(),
            endpoint_id: endpoint_id(endpoint),
        }
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

fn app() -> AppId {
    AppId::parse(APP).expect("parse the app")
}

fn text(value: &Value) -> String {
    value.as_str().expect("read the text").to_owned()
}
