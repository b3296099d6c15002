//! The catalogue of event types: an item for each type, and one with the names of all.
//!
//! Published events and subscriptions are checked against the names. With all of them in one
//! item, the check is a single small read whose result can be cached, and the size of the
//! set enforces the catalogue's limit. A type and its name are written in one transaction,
//! so neither exists without the other.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValue, TransactWriteItem};
use jiff::Timestamp;
use rand::RngExt;
use serde_json::value::RawValue;

use super::fields::{Draft, Fields, text, time};
use super::keys::attribute::{
    CREATED_AT, CREATED_BY, DEPRECATED, DESCRIPTION, EXAMPLE, GROUP, PK, SCHEMA, SK, TYPE_NAMES,
    UPDATED_AT,
};
use super::keys::{self, TYPES};
use super::paging::list_page;
use super::transaction::Transacted;
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError, has_code};
use crate::aws::retry::Retries;
use crate::domain::catalogue::{CatalogueType, MAX_TYPES, TypeDetails, TypeNames};
use crate::domain::event_type::EventType;

/// The outcome of [`Table::put_event_type`].
#[derive(Debug, Clone)]
pub enum TypePut {
    /// This call added the type.
    Added(CatalogueType),
    /// The type existed, and this call changed it.
    Changed(CatalogueType),
    /// The catalogue already has [`MAX_TYPES`] other types.
    Full,
}

/// Which types to list. Both conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeFilter {
    /// The beginning of the name. Empty for all.
    pub prefix: String,
    /// The group. `None` for all.
    pub group: Option<String>,
}

/// A page of types.
#[derive(Debug, Clone)]
pub struct TypesPage {
    /// In the order of their names.
    pub types: Vec<CatalogueType>,
    /// The next page starts after this type. `None` on the last page.
    pub next: Option<EventType>,
}

/// Retries while other calls keep adding and removing the same type.
const RETRIES: usize = 5;

impl Table {
    /// Adds a type, or replaces its details. One `UpdateItem` if it exists, and otherwise also
    /// a `TransactWriteItems`.
    ///
    /// Tries the change first, which is the cheaper call. The two steps are not atomic: if the
    /// type is added or removed in between, another try finds out. A call leaves a random id
    /// in an item that it creates, so that it recognizes its own work if the SDK repeats it.
    ///
    /// # Errors
    /// If a call fails, or other calls kept adding and removing the type.
    pub async fn put_event_type(
        &self,
        name: &EventType,
        details: &TypeDetails,
        now: Timestamp,
    ) -> Result<TypePut, StoreError> {
        let this_call = format!("{:016x}", rand::random::<u64>());
        let pause = || Duration::from_millis(rand::rng().random_range(10..100));
        let mut retries = Retries::after(std::iter::repeat_with(pause).take(RETRIES));
        while retries.next().await {
            if let Some((found, created_by)) = self.change_event_type(name, details, now).await? {
                // The item has the id of this call if an earlier try added the type and only the
                // response was lost.
                return Ok(match created_by.as_deref() == Some(&*this_call) {
                    true => TypePut::Added(found),
                    false => TypePut::Changed(found),
                });
            }
            match self.add_event_type(name, details, now, &this_call).await? {
                Transacted::Done => {
                    return Ok(TypePut::Added(CatalogueType {
                        name: name.clone(),
                        details: details.clone(),
                        created_at: now,
                        updated_at: now,
                    }));
                }
                // Another call added the type meanwhile, so change it instead.
                Transacted::ConditionFailed { write: 0, .. } => {}
                Transacted::ConditionFailed { .. } => return Ok(TypePut::Full),
            }
        }
        Err(StoreError::conflict("Put of an event type"))
    }

    /// Changes an existing type. Returns its new state and the id of the call that added it.
    /// `None` if it does not exist, or is part of a transaction at this moment.
    async fn change_event_type(
        &self,
        name: &EventType,
        details: &TypeDetails,
        now: Timestamp,
    ) -> Result<Option<(CatalogueType, Option<String>)>, StoreError> {
        const OPERATION: &str = "UpdateItem of an event type";
        let update = attributes(details, now).into_iter();
        let update = update.fold(Update::existing(), |update, (attribute, value)| {
            update.set_or_remove(attribute, value)
        });
        let updated = self
            .update_item(keys::event_type(name), update)
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let mut item = match updated {
            Ok(updated) => updated.attributes.unwrap_or_default(),
            Err(error)
                if has_code(&error, "ConditionalCheckFailedException")
                    || has_code(&error, "TransactionConflictException") =>
            {
                // A conflict means that another call is adding or removing the type right
                // now. The transaction that follows settles the order.
                return Ok(None);
            }
            Err(error) => return Err(error).during(OPERATION),
        };
        let created_by = item
            .remove(CREATED_BY)
            .and_then(|value| value.as_s().ok().cloned());
        Ok(Some((event_type(item).during(OPERATION)?, created_by)))
    }

    async fn add_event_type(
        &self,
        name: &EventType,
        details: &TypeDetails,
        now: Timestamp,
        this_call: &str,
    ) -> Result<Transacted, StoreError> {
        const OPERATION: &str = "TransactWriteItems of an event type";
        let draft = Draft::of(keys::event_type(name))
            .set(CREATED_AT, time(now))
            .set(CREATED_BY, text(this_call));
        let item = attributes(details, now)
            .into_iter()
            .fold(draft, |draft, (attribute, value)| {
                draft.set_some(attribute, value)
            });
        let writes = || -> Result<_, Malformed> {
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(item.item()))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PK)
                .build()?;
            let names = Update::default()
                .include(TYPE_NAMES, name.as_str())
                .only_smaller(TYPE_NAMES, MAX_TYPES)
                .or_absent(TYPE_NAMES);
            let names = self.transact_update(keys::type_names(), names)?;
            Ok(vec![
                TransactWriteItem::builder().put(put).build(),
                TransactWriteItem::builder().update(names).build(),
            ])
        };
        self.transact(OPERATION, writes().during(OPERATION)?).await
    }

    /// Removes a type. `false` if there is none. One `TransactWriteItems`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn remove_event_type(&self, name: &EventType) -> Result<bool, StoreError> {
        const OPERATION: &str = "TransactWriteItems of a removed event type";
        let writes = || -> Result<_, Malformed> {
            let delete = Delete::builder()
                .table_name(&self.name)
                .set_key(Some(keys::event_type(name)))
                .condition_expression("attribute_exists(#pk)")
                .expression_attribute_names("#pk", PK)
                .build()?;
            let names = Update::default().exclude(TYPE_NAMES, name.as_str());
            let names = self.transact_update(keys::type_names(), names)?;
            Ok(vec![
                TransactWriteItem::builder().delete(delete).build(),
                TransactWriteItem::builder().update(names).build(),
            ])
        };
        let writes = writes().during(OPERATION)?;
        Ok(match self.transact(OPERATION, writes).await? {
            Transacted::Done => true,
            Transacted::ConditionFailed { .. } => false,
        })
    }

    /// Reads a type. `None` if the catalogue does not have it. One strongly consistent
    /// `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn event_type(&self, name: &EventType) -> Result<Option<CatalogueType>, StoreError> {
        const OPERATION: &str = "GetItem of an event type";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::event_type(name)))
            .consistent_read(true)
            .send()
            .await
            .during(OPERATION)?;
        found.item.map(event_type).transpose().during(OPERATION)
    }

    /// The names of all types. One `GetItem`, strongly consistent so that a type can be used
    /// as soon as it is added.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn event_type_names(&self) -> Result<TypeNames, StoreError> {
        const OPERATION: &str = "GetItem of the names of event types";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::type_names()))
            .consistent_read(true)
            .send()
            .await
            .during(OPERATION)?;
        let mut item = found.item.unwrap_or_default();
        match item.remove(TYPE_NAMES) {
            None => Ok(TypeNames::default()),
            Some(AttributeValue::Ss(names)) => Ok(names.into_iter().collect()),
            Some(_) => Err(Malformed::from("the names are not a set of strings")).during(OPERATION),
        }
    }

    /// The types that match a filter, ordered by the bytes of their names, starting after
    /// `after`. One strongly consistent `Query`; with a group, possibly more. A page may be
    /// shorter than `limit`; see [`list_page`].
    ///
    /// # Errors
    /// If a call fails, or an item cannot be decoded.
    pub async fn event_types(
        &self,
        filter: &TypeFilter,
        after: Option<&EventType>,
        limit: usize,
    ) -> Result<TypesPage, StoreError> {
        const OPERATION: &str = "Query of event types";
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :types AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":types", text(TYPES))
            .expression_attribute_values(":prefix", text(keys::type_sort(&filter.prefix)));
        if let Some(group) = &filter.group {
            query = query
                .filter_expression("#group = :group")
                .expression_attribute_names("#group", GROUP)
                .expression_attribute_values(":group", text(group));
        }
        let start = after.map(keys::event_type);
        let read = |item| event_type(item).map(Some);
        let page = list_page(OPERATION, query, start, limit, read).await?;
        let last = page.items.last().map(|last| last.name.clone());
        Ok(TypesPage {
            next: last.filter(|_| page.more),
            types: page.items,
        })
    }
}

/// The attributes that a put writes. It removes those without a value.
fn attributes(
    details: &TypeDetails,
    now: Timestamp,
) -> [(&'static str, Option<AttributeValue>); 6] {
    let json = |json: &Option<Box<RawValue>>| json.as_ref().map(|json| text(json.get()));
    let deprecated = details.deprecated.then_some(AttributeValue::Bool(true));
    [
        (UPDATED_AT, Some(time(now))),
        (DESCRIPTION, Some(text(&details.description))),
        (SCHEMA, json(&details.schema)),
        (EXAMPLE, json(&details.example)),
        (GROUP, details.group.as_ref().map(text)),
        (DEPRECATED, deprecated),
    ]
}

fn event_type(item: Item) -> Result<CatalogueType, Malformed> {
    let mut fields = Fields::of(item);
    let sort: String = fields.read(SK)?;
    let mut json = |name| -> Result<Option<Box<RawValue>>, Malformed> {
        let json: Option<String> = fields.read_some(name)?;
        Ok(json.map(RawValue::from_string).transpose()?)
    };
    let (schema, example) = (json(SCHEMA)?, json(EXAMPLE)?);
    Ok(CatalogueType {
        name: keys::event_type_of_sort(&sort).ok_or("not the keys of an event type")?,
        details: TypeDetails {
            description: fields.read(DESCRIPTION)?,
            schema,
            example,
            group: fields.read_some(GROUP)?,
            deprecated: fields.read_some(DEPRECATED)?.unwrap_or(false),
        },
        created_at: fields.read(CREATED_AT)?,
        updated_at: fields.read(UPDATED_AT)?,
    })
}
