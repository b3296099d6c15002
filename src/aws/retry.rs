//! Bounded retries, in addition to the SDK's own: of batches that AWS handled only in
//! part, of conflicting writes, and of reads that came too early.

use std::time::Duration;

/// Pauses before retrying the entries of a batch that DynamoDB left unprocessed.
pub(crate) const UNPROCESSED_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// The remaining tries, each after its pause. Used in a loop that returns on success:
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
    /// One immediate try, and one after each of these pauses.
    pub(crate) fn after(pauses: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            pauses: pauses.into_iter(),
            is_first: true,
        }
    }

    /// Waits until the next try is due. `false` if none is left.
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
