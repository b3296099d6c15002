//! Grouping of messages into calls of `SendMessageBatch`.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::BATCH_ENTRIES;

/// Maximum size of a batch, and of a single message, in bytes (SQS quota since August
/// 2025).
const BATCH_BYTES: usize = 1024 * 1024;

/// Groups entries into as few batches as their order allows. An entry that is too large by
/// itself gets its own batch, so that SQS rejects only that one.
pub(super) fn group(
    entries: Vec<SendMessageBatchRequestEntry>,
) -> Vec<Vec<SendMessageBatchRequestEntry>> {
    let mut batches: Vec<Vec<_>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let own = size(&entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ENTRIES && bytes + own <= BATCH_BYTES => {
                bytes += own;
                batch.push(entry);
            }
            _ => {
                bytes = own;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

/// An entry's size as far as it counts toward the quota. Includes the group id to be safe:
/// AWS does not document whether it counts. Message attributes would count, but our entries
/// have none.
fn size(entry: &SendMessageBatchRequestEntry) -> usize {
    let group = entry.message_group_id.as_deref().unwrap_or_default();
    entry.message_body.len() + group.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of messages in each batch, for messages of these sizes.
    fn counts(sizes: &[usize]) -> Vec<usize> {
        let entries = sizes.iter().enumerate().map(|(index, size)| {
            SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body("x".repeat(*size - 4))
                .message_group_id("acme")
                .build()
                .unwrap()
        });
        let batches = group(entries.collect());
        let ids: Vec<_> = batches.iter().flatten().map(|entry| &entry.id).collect();
        let expected: Vec<_> = (0..sizes.len()).map(|index| index.to_string()).collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>());
        batches.iter().map(Vec::len).collect()
    }

    #[test]
    fn batches_hold_at_most_ten_messages_and_one_mebibyte() {
        const KIB: usize = 1024;
        for (sizes, expected) in [
            (vec![], &[][..]),
            (vec![10; 1], &[1]),
            (vec![10; 10], &[10]),
            (vec![10; 11], &[10, 1]),
            (vec![10; 25], &[10, 10, 5]),
            (vec![256 * KIB; 9], &[4, 4, 1]),
            (vec![256 * KIB + 1; 7], &[3, 3, 1]),
            (vec![1024 * KIB, 10], &[1, 1]),
            (vec![1024 * KIB - 10, 10, 10], &[2, 1]),
            (vec![1024 * KIB - 9, 10, 10], &[1, 2]),
            (vec![10, 2048 * KIB, 10], &[1, 1, 1]),
        ] {
            assert_eq!(counts(&sizes), expected, "{sizes:?}");
        }
    }
}
