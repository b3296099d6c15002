//! Bounded retries: of calls that AWS answers in part or that met another one,
//! and of reads that came too early.

use std::time::Duration;

/// Pauses before the rest of a batch that DynamoDB handled in part.
pub(crate) const UNPROCESSED_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// The retries that are left, each after its pause. Used in a loop that returns
/// once it is done:
///
/// ```ignore
/// let mut retries = Retries::after(PAUSES);
/// while retries.next().await {
///     // Returns, or falls through to the next try.
/// }
/// // All tries are used up.
/// ```
pub(crate) struct Retries<I> {
    pauses: I,
    is_first: bool,
}

impl<I: Iterator<Item = Duration>> Retries<I> {
    /// One try at once, and one after each of these pauses.
    pub(crate) fn after(pauses: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            pauses: pauses.into_iter(),
            is_first: true,
        }
    }

    /// Waits until the next try. `false` if there is none left.
    pub(crate) async fn next(&mut self) -> bool {
        if std::mem::take(&mut self.is_first) {
            return true;
        }
        match self.pauses.next() {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                true
            }
            None => false,
        }
    }
}
