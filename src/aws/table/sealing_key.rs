//! The public key that new signing secrets are sealed to: a single item of the table.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use jiff::Timestamp;

use super::fields::{Draft, Fields, text, time};
use super::keys;
use super::keys::attribute::{CREATED_AT, PK, PUBLIC_KEY, REPLACES, SEALING_KEY};
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError, written};
use crate::domain::id::SealingKeyId;
use crate::domain::sealing::SealingKey;

/// The current sealing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentKey {
    /// The public half.
    pub key: SealingKey,
    /// The previous key, while secrets may still be sealed to it.
    pub replaces: Option<SealingKeyId>,
}

impl Table {
    /// The current key. `None` if none was created yet. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn sealing_key(&self) -> Result<Option<CurrentKey>, StoreError> {
        const OPERATION: &str = "GetItem of the sealing key";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::sealing_key()))
            .consistent_read(true)
            .send()
            .await
            .during(OPERATION)?;
        found.item.map(current_key).transpose().during(OPERATION)
    }

    /// Makes `key` the first key. `false` if there is one already. That may be this one, if
    /// the SDK repeated the call. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn put_first_sealing_key(
        &self,
        key: &SealingKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "PutItem of the first sealing key";
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item_of(key, now)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
            .send()
            .await;
        written(put).during(OPERATION)
    }

    /// Replaces the current key `old` by `new`. The item remembers `old` until
    /// [`Table::end_replacement`]. `false` if `old` is not the current key, or itself still
    /// replaces another. It may be `new` already, if the SDK repeated the call. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn replace_sealing_key(
        &self,
        old: SealingKeyId,
        new: &SealingKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = Update::existing()
            .set(SEALING_KEY, text(new.id))
            .set(PUBLIC_KEY, text(new.public_text()))
            .set(CREATED_AT, time(now))
            .set(REPLACES, text(old))
            .only_if(SEALING_KEY, text(old))
            // One replacement at a time, or the item would forget the key before `old`
            // while secrets are still sealed to it.
            .only_if_absent(REPLACES);
        let updated = self.update_item(keys::sealing_key(), update).send().await;
        written(updated).during("UpdateItem of the sealing key")
    }

    /// Forgets the replaced key, once nothing is sealed to it. Does nothing if it is already
    /// forgotten. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn end_replacement(&self, replaced: SealingKeyId) -> Result<(), StoreError> {
        let update = Update::existing()
            .remove(REPLACES)
            .only_if(REPLACES, text(replaced));
        let updated = self.update_item(keys::sealing_key(), update).send().await;
        written(updated)
            .map(|_| ())
            .during("UpdateItem of a replaced sealing key")
    }

    /// A part of a transaction that makes it fail unless this key is the current one.
    ///
    /// It makes transactions of different apps conflict on the key's item. They are retried
    /// like those of one app that conflict on its endpoint count.
    pub(super) fn only_if_current(
        &self,
        key: SealingKeyId,
    ) -> Result<TransactWriteItem, Malformed> {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(keys::sealing_key()))
            .condition_expression("#key = :key")
            .expression_attribute_names("#key", SEALING_KEY)
            .expression_attribute_values(":key", text(key))
            .build()?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}

fn item_of(key: &SealingKey, now: Timestamp) -> Item {
    Draft::of(keys::sealing_key())
        .set(SEALING_KEY, text(key.id))
        .set(PUBLIC_KEY, text(key.public_text()))
        .set(CREATED_AT, time(now))
        .item()
}

fn current_key(item: Item) -> Result<CurrentKey, Malformed> {
    let mut fields = Fields::of(item);
    let (id, public): (String, String) = (fields.read(SEALING_KEY)?, fields.read(PUBLIC_KEY)?);
    let replaces: Option<String> = fields.read_some(REPLACES)?;
    let replaces = replaces.map(|id| SealingKeyId::parse(&id));
    Ok(CurrentKey {
        key: SealingKey::parse(SealingKeyId::parse(&id)?, &public)?,
        replaces: replaces.transpose()?,
    })
}
