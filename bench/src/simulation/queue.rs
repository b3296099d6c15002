//! An SQS standard queue that delivers the oldest message first, or is fair to its groups.

use std::collections::VecDeque;
use std::time::Duration;

/// The number of its own in-flight messages from which a group can be noisy (AWS's
/// threshold).
const NOISY_MESSAGES: u32 = 30;

/// The share of in-flight messages or of processing time above which a group is noisy
/// (AWS's threshold).
const NOISY_SHARE: f64 = 0.1;

/// How long processing time counts as recent. AWS does not document it.
const RECENT: Duration = Duration::from_secs(60);

/// A message with its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<W> {
    /// `MessageGroupId`, as an index.
    pub group: usize,
    pub work: W,
}

/// A queue of messages that request the work `W`.
#[derive(Debug)]
pub(super) struct Queue<W> {
    is_fair: bool,
    /// Waiting messages, with their place in the order of arrival.
    quiet: VecDeque<(u64, Message<W>)>,
    /// Messages that were put behind all others, because their group was noisy.
    noisy: VecDeque<(u64, Message<W>)>,
    sent: u64,
    groups: Vec<Use>,
    all: Use,
}

/// The share of the consumers that a group's messages use.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    in_flight: u32,
    /// Seconds of processing up to `at`. They decay exponentially, so older ones count
    /// less.
    processing: f64,
    at: Duration,
}

impl Use {
    fn processing(&self, now: Duration) -> f64 {
        if self.processing == 0.0 {
            return 0.0;
        }
        let age = now.saturating_sub(self.at).as_secs_f64();
        self.processing * (-age / RECENT.as_secs_f64()).exp()
    }

    fn add(&mut self, held: Duration, now: Duration) {
        self.in_flight -= 1;
        self.processing = self.processing(now) + held.as_secs_f64();
        self.at = now;
    }
}

impl<W: Copy> Queue<W> {
    pub(super) fn new(is_fair: bool) -> Self {
        Self {
            is_fair,
            quiet: VecDeque::new(),
            noisy: VecDeque::new(),
            sent: 0,
            groups: Vec::new(),
            all: Use::default(),
        }
    }

    pub(super) fn send(&mut self, message: Message<W>) {
        self.quiet.push_back((self.sent, message));
        self.sent += 1;
        if self.groups.len() <= message.group {
            self.groups.resize(message.group + 1, Use::default());
        }
    }

    /// The number of waiting messages.
    pub(super) fn len(&self) -> usize {
        self.quiet.len() + self.noisy.len()
    }

    /// Receives up to `most` messages.
    pub(super) fn receive(&mut self, most: usize, now: Duration, into: &mut Vec<Message<W>>) {
        for _ in 0..most {
            let Some(message) = self.next(now) else {
                return;
            };
            self.all.in_flight += 1;
            if let Some(group) = self.groups.get_mut(message.group) {
                group.in_flight += 1;
            }
            into.push(message);
        }
    }

    fn next(&mut self, now: Duration) -> Option<Message<W>> {
        if !self.is_fair {
            return self.quiet.pop_front().map(|(_, message)| message);
        }
        loop {
            // Messages of a group that has become quiet again get their old place back.
            if let Some(&(place, message)) = self.noisy.front() {
                let is_oldest = self.quiet.front().is_none_or(|(other, _)| place < *other);
                if self.quiet.is_empty() || is_oldest && !self.is_noisy(message.group, now) {
                    self.noisy.pop_front();
                    return Some(message);
                }
            }
            let (place, message) = self.quiet.pop_front()?;
            if !self.is_noisy(message.group, now) {
                return Some(message);
            }
            self.noisy.push_back((place, message));
        }
    }

    fn is_noisy(&self, group: usize, now: Duration) -> bool {
        let Some(group) = self.groups.get(group) else {
            return false;
        };
        let in_flight = f64::from(group.in_flight);
        let by_messages = group.in_flight >= NOISY_MESSAGES
            && in_flight > NOISY_SHARE * f64::from(self.all.in_flight);
        by_messages || group.processing(now) > NOISY_SHARE * self.all.processing(now)
    }

    /// Deletes messages that were in flight for this long.
    pub(super) fn delete(&mut self, batch: &[Message<W>], held: Duration, now: Duration) {
        for message in batch {
            self.all.add(held, now);
            if let Some(group) = self.groups.get_mut(message.group) {
                group.add(held, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn filled(is_fair: bool, groups: &[usize]) -> Queue<usize> {
        let mut queue = Queue::new(is_fair);
        for (work, group) in groups.iter().enumerate() {
            queue.send(Message {
                group: *group,
                work,
            });
        }
        queue
    }

    fn received(queue: &mut Queue<usize>, most: usize) -> Vec<Message<usize>> {
        let mut batch = Vec::new();
        queue.receive(most, NOW, &mut batch);
        batch
    }

    fn works(batch: &[Message<usize>]) -> Vec<usize> {
        batch.iter().map(|message| message.work).collect()
    }

    #[test]
    fn plain_queue_delivers_the_oldest_first() {
        let mut queue = filled(false, &[0; 50]);
        received(&mut queue, 40);
        queue.send(Message { group: 1, work: 50 });
        assert_eq!(
            works(&received(&mut queue, 20)),
            (40..=50).collect::<Vec<_>>()
        );
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn fair_queue_puts_groups_with_many_in_flight_last() {
        let mut queue = filled(true, &[0; 40]);
        received(&mut queue, 30);
        queue.send(Message { group: 1, work: 40 });
        let expected: Vec<_> = std::iter::once(40).chain(30..40).collect();
        assert_eq!(works(&received(&mut queue, 20)), expected);
    }

    #[test]
    fn fair_queue_keeps_the_order_of_groups_with_few_in_flight() {
        let mut queue = filled(true, &[0; 32]);
        received(&mut queue, 29);
        queue.send(Message { group: 1, work: 32 });
        assert_eq!(works(&received(&mut queue, 1)), [29]);
    }

    #[test]
    fn fair_queue_puts_groups_that_take_long_last() {
        let mut queue = filled(true, &[0, 1]);
        let (slow, quick) = (received(&mut queue, 1), received(&mut queue, 1));
        queue.delete(&slow, Duration::from_secs(15), NOW);
        queue.delete(&quick, Duration::from_millis(50), NOW);
        for group in [0, 1] {
            queue.send(Message { group, work: group });
        }
        assert_eq!(works(&received(&mut queue, 2)), [1, 0]);
    }
}
