//! Wakes a poller when its queue may have a message. So messages are received at once, although
//! pollers do not query the emulator all the time.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_sqs::SqsService;

/// How long a poller waits without a wake. There is none for messages that an earlier run left, nor
/// for those that reappear because their visibility timeout ended.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The wakes of all queues, by the queue's name. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Wakes(Arc<Mutex<HashMap<String, Arc<Wake>>>>);

/// Wakes the poller of a queue.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    changed: Notify,
    /// When delayed and hidden messages become visible.
    due: Mutex<BTreeSet<Instant>>,
}

impl Wakes {
    pub(crate) fn of(&self, queue_url: &str) -> Arc<Wake> {
        let name = queue_url.rsplit('/').next().unwrap_or_default();
        let mut wakes = lock(&self.0);
        Arc::clone(wakes.entry(name.to_owned()).or_default())
    }
}

impl Wake {
    /// Waits until the queue may have messages, for a second at most.
    ///
    /// `Notify` stores a permit if nobody waits. So a message that is sent between two waits ends
    /// the second one at once, and none is missed.
    pub(crate) async fn wait(&self) {
        let latest = Instant::now() + LONGEST_WAIT;
        let due = lock(&self.due).first().copied();
        let until = due.map_or(latest, |due| due.min(latest));
        // Whether woken or timed out, the caller looks at the queue next.
        let _ = timeout_at(until, self.changed.notified()).await;
        let now = Instant::now();
        lock(&self.due).retain(|due| *due > now);
    }

    fn visible_after(&self, delay: Duration) {
        if !delay.is_zero() {
            lock(&self.due).insert(Instant::now() + delay);
        }
        // Wake for a delayed message as well: a poller that waits now has to learn of the new time.
        self.changed.notify_one();
    }
}

/// The SQS emulator. It wakes pollers after calls that make messages visible.
pub(crate) struct WakingSqs {
    pub(crate) inner: Arc<SqsService>,
    pub(crate) wakes: Wakes,
}

impl MockService for WakingSqs {
    fn service_name(&self) -> &str {
        self.inner.service_name()
    }

    fn url_patterns(&self) -> Vec<&str> {
        self.inner.url_patterns()
    }

    fn handle(
        &self,
        request: MockRequest,
    ) -> Pin<Box<dyn Future<Output = MockResponse> + Send + '_>> {
        Box::pin(async move {
            let target = request.headers.get("x-amz-target");
            let target = target.and_then(|target| target.to_str().ok());
            let delays = target.and_then(|target| delays(target, &request.body));
            let response = self.inner.handle(request).await;
            if let (200, Some((queue_url, delays))) = (response.status, delays) {
                let wake = self.wakes.of(&queue_url);
                delays.for_each(|delay| wake.visible_after(delay));
            }
            response
        })
    }
}

/// If a call makes messages visible, its queue and the delay of each message.
fn delays(target: &str, body: &[u8]) -> Option<(String, impl Iterator<Item = Duration> + use<>)> {
    let (_, operation) = target.split_once('.')?;
    let delay = match operation {
        "SendMessage" | "SendMessageBatch" => "DelaySeconds",
        "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => "VisibilityTimeout",
        _ => return None,
    };
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let queue_url = body["QueueUrl"].as_str()?.to_owned();
    let entries = match body["Entries"].take() {
        Value::Array(entries) => entries,
        _ => vec![body],
    };
    let delays = entries.into_iter().map(move |entry| {
        let seconds = entry[delay].as_u64().unwrap_or(0);
        Duration::from_secs(seconds)
    });
    Some((queue_url, delays))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakes")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use webhook_endpoints::domain::message::Lane;

    use super::*;
    use crate::emulators::{Clients, Emulators};

    async fn start() -> (Clients, String) {
        let clients = Emulators::start(None, |client| client)
            .await
            .unwrap()
            .clients;
        let resources = clients.create_resources("test", None).await.unwrap();
        let queue_url = resources.queue_url_of(Lane::Slow).to_owned();
        (clients, queue_url)
    }

    /// Whether a wait would end at once.
    fn is_awake(wake: &Wake) -> bool {
        wake.wait().now_or_never().is_some()
    }

    #[tokio::test]
    async fn sent_messages_wake_only_the_poller_of_their_queue() {
        let (clients, queue_url) = start().await;
        let wakes = clients.wakes.unwrap();
        let wake = wakes.of(&queue_url);
        assert!(!is_awake(&wake));
        for _ in 0..2 {
            let send = clients.sqs.send_message().queue_url(&queue_url);
            send.message_body("{}").send().await.unwrap();
            assert!(is_awake(&wake));
            assert!(!is_awake(&wake));
        }
        assert!(!is_awake(&wakes.of("http://other/queue")));
        let receive = clients.sqs.receive_message().queue_url(&queue_url);
        receive.send().await.unwrap();
        assert!(!is_awake(&wake));
    }

    #[tokio::test]
    async fn delayed_messages_wake_the_poller_when_they_are_due() {
        let (clients, queue_url) = start().await;
        let wake = clients.wakes.unwrap().of(&queue_url);
        let before = Instant::now();
        let send = clients.sqs.send_message().queue_url(&queue_url);
        let send = send.message_body("{}").delay_seconds(60);
        send.send().await.unwrap();
        let due = lock(&wake.due).first().copied().unwrap();
        assert!(due >= before + Duration::from_secs(60));
        // The poller wakes once, to learn of the new time, and then waits for it.
        assert!(is_awake(&wake) && !is_awake(&wake));
        *lock(&wake.due) = BTreeSet::from([before]);
        wake.wait().await;
        assert!(lock(&wake.due).is_empty());
    }

    #[tokio::test]
    async fn hidden_messages_wake_the_poller_when_they_reappear() {
        let (clients, queue_url) = start().await;
        let wake = clients.wakes.unwrap().of(&queue_url);
        let send = clients.sqs.send_message().queue_url(&queue_url);
        send.message_body("{}").send().await.unwrap();
        let receive = clients.sqs.receive_message().queue_url(&queue_url);
        let received = receive.send().await.unwrap();
        let handle = received.messages()[0].receipt_handle().unwrap();
        let hide = clients.sqs.change_message_visibility();
        let hide = hide.queue_url(&queue_url).receipt_handle(handle);
        hide.visibility_timeout(60).send().await.unwrap();
        assert_eq!(lock(&wake.due).len(), 1);
    }
}
