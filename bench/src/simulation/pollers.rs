//! An event source mapping: the pollers of a queue, each with one batch at a time.

use std::time::Duration;

use local::mapping::Mapping;
use rand::{Rng, RngExt};

use super::queue::{Message, Queue};

/// The number of pollers that Lambda starts with.
const FIRST: usize = 5;

/// The number of pollers that Lambda adds each second while messages are left: 300 a minute.
const MORE_EACH_SECOND: usize = 5;

/// Messages per `ReceiveMessage`.
const RECEIVED: usize = 10;

/// The pollers of one queue. A poller is a slot: it invokes the function with its batch,
/// and receives again when the invocation has ended.
#[derive(Debug)]
pub(super) struct Pollers<W> {
    mapping: Mapping,
    pollers: Vec<Poller<W>>,
    /// Pollers that are not waiting for the function, the most recently used last.
    free: Vec<usize>,
}

#[derive(Debug)]
struct Poller<W> {
    batch: Vec<Message<W>>,
    /// Counts this poller's batches, so that the end of a window can tell whether its batch
    /// is still being collected.
    generation: u32,
    /// When the invocation began.
    since: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    pub poller: usize,
    pub state: Batch,
}

/// The state of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batch {
    /// It can be passed to the function.
    Ready,
    /// It has received its first messages, so its window begins.
    Begun { generation: u32 },
    /// It is still being collected.
    Growing,
}

impl<W: Copy> Pollers<W> {
    /// The pollers after a long time without messages.
    pub(super) fn idle(mapping: Mapping) -> Self {
        let mut pollers = Self {
            mapping,
            pollers: Vec::new(),
            free: Vec::new(),
        };
        pollers.add(FIRST, 0);
        pollers
    }

    /// The pollers after some time with many messages. Their functions have started.
    pub(super) fn warm(mapping: Mapping) -> Self {
        let mut pollers = Self::idle(Mapping {
            concurrency: 0,
            ..mapping
        });
        pollers.mapping = mapping;
        pollers.add(mapping.concurrency, 1);
        pollers
    }

    fn add(&mut self, count: usize, generation: u32) {
        let from = self.pollers.len();
        let to = (from + count).min(self.mapping.concurrency);
        for poller in from..to {
            self.pollers.push(Poller {
                batch: Vec::new(),
                generation,
                since: Duration::ZERO,
            });
            self.free.push(poller);
        }
    }

    /// Adds pollers if messages are left over, as Lambda does. Call it once a second.
    pub(super) fn scale(&mut self, waiting: usize) {
        if waiting > 0 && self.free.is_empty() {
            self.add(MORE_EACH_SECOND, 0);
        }
    }

    /// Makes one poller receive. `None` if no message is waiting or no poller is free.
    ///
    /// With a window, messages reach a random one of the polling pollers, so that several
    /// collect batches at the same time.
    pub(super) fn receive(
        &mut self,
        queue: &mut Queue<W>,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<Received> {
        if queue.len() == 0 || self.free.is_empty() {
            return None;
        }
        let has_window = !self.mapping.window.is_zero();
        let place = match has_window {
            true => rng.random_range(0..self.free.len()),
            false => self.free.len() - 1,
        };
        let index = *self.free.get(place)?;
        let poller = self.pollers.get_mut(index)?;
        let is_first = poller.batch.is_empty();
        let space = self.mapping.batch_size.saturating_sub(poller.batch.len());
        queue.receive(space.min(RECEIVED), now, &mut poller.batch);
        let is_full = poller.batch.len() >= self.mapping.batch_size;
        let state = match (is_full || !has_window, is_first) {
            (true, _) => Batch::Ready,
            (false, true) => Batch::Begun {
                generation: poller.generation,
            },
            (false, false) => Batch::Growing,
        };
        Some(Received {
            poller: index,
            state,
        })
    }

    /// Whether this batch is still being collected.
    pub(super) fn is_collecting(&self, poller: usize, generation: u32) -> bool {
        let found = self.pollers.get(poller);
        found.is_some_and(|found| found.generation == generation) && self.free.contains(&poller)
    }

    /// Begins the invocation. Returns the batch, and whether it is this poller's first.
    pub(super) fn begin(&mut self, poller: usize, now: Duration) -> (Vec<Message<W>>, bool) {
        // Search from the end: without a window, it is the last one.
        if let Some(place) = self.free.iter().rposition(|free| *free == poller) {
            self.free.remove(place);
        }
        let Some(found) = self.pollers.get_mut(poller) else {
            return (Vec::new(), false);
        };
        found.generation += 1;
        found.since = now;
        (found.batch.clone(), found.generation == 1)
    }

    /// Ends the invocation: deletes its batch and frees the poller.
    pub(super) fn end(&mut self, poller: usize, queue: &mut Queue<W>, now: Duration) {
        let Some(found) = self.pollers.get_mut(poller) else {
            return;
        };
        let held = now.saturating_sub(found.since);
        queue.delete(&found.batch, held, now);
        found.batch.clear();
        self.free.push(poller);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn queue(messages: usize) -> Queue<usize> {
        let mut queue = Queue::new(true);
        (0..messages).for_each(|work| queue.send(Message { group: work, work }));
        queue
    }

    fn pollers(concurrency: usize, batch_size: usize, window: u64) -> Pollers<usize> {
        Pollers::idle(Mapping {
            concurrency,
            batch_size,
            window: Duration::from_secs(window),
        })
    }

    fn receive(pollers: &mut Pollers<usize>, queue: &mut Queue<usize>) -> Option<Received> {
        pollers.receive(queue, NOW, &mut StdRng::seed_from_u64(1))
    }

    /// Begins invocations for all waiting messages. Returns the number of batches.
    fn begin_all(pollers: &mut Pollers<usize>, queue: &mut Queue<usize>) -> usize {
        let mut batches = 0;
        while let Some(received) = receive(pollers, queue) {
            if received.state == Batch::Ready {
                pollers.begin(received.poller, NOW);
                batches += 1;
            }
        }
        batches
    }

    #[test]
    fn batch_without_window_is_ready_at_once() {
        let (mut pollers, mut queue) = (pollers(2, 10, 0), queue(3));
        let received = receive(&mut pollers, &mut queue).unwrap();
        assert_eq!(received.state, Batch::Ready);
        let (batch, is_first) = pollers.begin(received.poller, NOW);
        assert_eq!((batch.len(), is_first), (3, true));
        assert!(pollers.receive(&mut queue, NOW, &mut rand::rng()).is_none());
    }

    #[test]
    fn batch_with_window_grows_until_it_is_full() {
        let (mut pollers, mut queue) = (pollers(1, 25, 2), queue(40));
        let states: Vec<_> = (0..3)
            .map(|_| receive(&mut pollers, &mut queue).unwrap().state)
            .collect();
        let begun = Batch::Begun { generation: 0 };
        assert_eq!(states, [begun, Batch::Growing, Batch::Ready]);
        assert!(pollers.is_collecting(0, 0));
        assert_eq!(pollers.begin(0, NOW).0.len(), 25);
        // The end of a window must be ignored if the batch was full before that.
        assert!(!pollers.is_collecting(0, 0));
        assert_eq!(queue.len(), 15);
    }

    #[test]
    fn pollers_grow_by_five_a_second_up_to_the_concurrency() {
        let (mut pollers, mut queue) = (pollers(12, 10, 0), queue(1_000));
        let batches: Vec<_> = (0..4)
            .map(|_| {
                let begun = begin_all(&mut pollers, &mut queue);
                pollers.scale(queue.len());
                begun
            })
            .collect();
        assert_eq!(batches, [5, 5, 2, 0]);
    }

    #[test]
    fn pollers_do_not_grow_while_one_is_free() {
        let (mut pollers, mut queue) = (pollers(20, 10, 0), queue(40));
        assert_eq!(begin_all(&mut pollers, &mut queue), 4);
        pollers.scale(queue.len());
        queue.send(Message { group: 0, work: 0 });
        pollers.scale(queue.len());
        assert_eq!(begin_all(&mut pollers, &mut queue), 1);
    }

    #[test]
    fn warm_pollers_all_exist_and_have_started() {
        let mut queue = queue(1_000);
        let mut pollers = Pollers::warm(pollers(12, 10, 0).mapping);
        let received = receive(&mut pollers, &mut queue).unwrap();
        let (_, is_first) = pollers.begin(received.poller, NOW);
        assert!(!is_first);
        assert_eq!(begin_all(&mut pollers, &mut queue), 11);
    }

    #[test]
    fn poller_receives_again_once_its_batch_has_ended() {
        let (mut pollers, mut queue) = (pollers(2, 10, 0), queue(30));
        assert_eq!(begin_all(&mut pollers, &mut queue), 2);
        pollers.end(0, &mut queue, NOW);
        assert_eq!(begin_all(&mut pollers, &mut queue), 1);
    }
}
