//! The queue of scheduled steps, in virtual time. Steps at the same time run in the order
//! in which they were scheduled, so that a run can be repeated.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Agenda<T> {
    entries: BinaryHeap<Entry<T>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Duration,
    place: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    pub(super) fn schedule(&mut self, at: Duration, what: T) {
        let place = self.scheduled;
        self.scheduled += 1;
        self.entries.push(Entry { at, place, what });
    }

    /// Removes and returns the next step.
    pub(super) fn next(&mut self) -> Option<(Duration, T)> {
        let entry = self.entries.pop()?;
        Some((entry.at, entry.what))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    // `BinaryHeap` is a max-heap, so the comparison is reversed: the earliest entry is the
    // greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.place).cmp(&(self.at, self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_happens_first_and_ties_keep_their_order() {
        let mut agenda = Agenda::new();
        for (seconds, what) in [(2, 'c'), (1, 'a'), (3, 'd'), (1, 'b')] {
            agenda.schedule(Duration::from_secs(seconds), what);
        }
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).collect();
        let order: Vec<_> = order.into_iter().map(|(_, what)| what).collect();
        assert_eq!(order, ['a', 'b', 'c', 'd']);
    }
}
