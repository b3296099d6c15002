//! Apps.
//!
//! An app's item also counts its endpoints, so it exists from the first endpoint on. If the
//! app was created explicitly, the item has [`CREATED_AT`] as well.
//!
//! All apps are in one partition of the index. It needs no shards: it takes 1,000 writes a
//! second, and is only written when an app is created, changed or deleted. (The endpoint
//! count is not in the index.) DynamoDB splits the partition by sort key as it grows.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use super::fields::{Fields, text, time};
use super::keys::attribute::{
    CREATED_AT, CREATED_BY, DELETED_AT, ENDPOINT_COUNT, METADATA, NAME, PK, SK, UPDATED_AT,
};
use super::keys::{self, APPS, LISTS};
use super::paging::list_page;
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError, has_code};
use crate::domain::app::{App, AppChange, Metadata};
use crate::domain::id::AppId;

/// The outcome of [`Table::put_app`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppPut {
    /// This call created the app.
    Created(App),
    /// The app existed, and this call changed it.
    Changed(App),
    /// The app is being deleted. Nothing changed.
    Deleting,
}

/// A page of apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsPage {
    /// In the order of their ids.
    pub apps: Vec<App>,
    /// The next page starts after this app. `None` on the last page.
    pub next: Option<AppId>,
}

impl Table {
    /// Creates an app, or changes it. One `UpdateItem`.
    ///
    /// A call leaves a random id in an item that it creates. So of two concurrent calls,
    /// exactly one reports that it created the app, even if the SDK repeats it.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn put_app(
        &self,
        app_id: AppId,
        change: &AppChange,
        now: Timestamp,
    ) -> Result<AppPut, StoreError> {
        const OPERATION: &str = "UpdateItem of an app";
        let this_call = format!("{:016x}", rand::random::<u64>());
        let now = time(now);
        // An item that only counted endpoints becomes an app: it gets a time of creation and an
        // index entry, and keeps its count.
        let mut update = Update::default()
            .set_once(CREATED_AT, now.clone())
            .set_once(CREATED_BY, text(&this_call))
            .set(UPDATED_AT, now)
            .set(LISTS.pk, text(APPS))
            .set(LISTS.sk, text(keys::app_list_sort(app_id.as_str())))
            .only_if_absent(DELETED_AT);
        if let Some(name) = &change.name {
            update = update.set_or_remove(NAME, name.as_ref().map(text));
        }
        if let Some(metadata) = &change.metadata {
            update = update.set(METADATA, map(metadata));
        }
        let updated = self
            .update_item(keys::app(app_id), update)
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match updated {
            Ok(updated) => updated.attributes.unwrap_or_default(),
            Err(error) if has_code(&error, "ConditionalCheckFailedException") => {
                return Ok(AppPut::Deleting);
            }
            Err(error) => return Err(error).during(OPERATION),
        };
        let is_new = item.get(CREATED_BY) == Some(&text(&this_call));
        let app = app(item).during(OPERATION)?;
        let app = app.ok_or(Malformed::from("an app without a creation time"));
        let app = app.during(OPERATION)?;
        Ok(match is_new {
            true => AppPut::Created(app),
            false => AppPut::Changed(app),
        })
    }

    /// Reads an app. `None` if it was never created explicitly. One strongly consistent
    /// `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn app(&self, app_id: AppId) -> Result<Option<App>, StoreError> {
        const OPERATION: &str = "GetItem of an app";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::app(app_id)))
            .consistent_read(true)
            .send()
            .await
            .during(OPERATION)?;
        found.item.map_or(Ok(None), app).during(OPERATION)
    }

    /// The apps whose ids begin with `prefix`, ordered by the bytes of their ids, starting
    /// after `after`. One `Query` of the index, which is eventually consistent: an app that
    /// was created within the last second may be missing. A page may be shorter than `limit`;
    /// see [`list_page`].
    ///
    /// # Errors
    /// If a call fails, or an item cannot be decoded.
    pub async fn apps(
        &self,
        prefix: &str,
        after: Option<AppId>,
        limit: usize,
    ) -> Result<AppsPage, StoreError> {
        const OPERATION: &str = "Query of apps";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .key_condition_expression("#pk = :apps AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_names("#sk", LISTS.sk)
            .expression_attribute_values(":apps", text(APPS))
            .expression_attribute_values(":prefix", text(keys::app_list_sort(prefix)));
        let page = list_page(OPERATION, query, after.map(place), limit, app).await?;
        Ok(AppsPage {
            next: page.items.last().map(|app| app.id).filter(|_| page.more),
            apps: page.items,
        })
    }
}

/// The start key of a query that continues after this app. It has the keys of both the
/// index and the table.
fn place(app_id: AppId) -> Item {
    HashMap::from([
        (PK.to_owned(), text(keys::app_partition(app_id))),
        (SK.to_owned(), text(keys::APP_SORT)),
        (LISTS.pk.to_owned(), text(APPS)),
        (
            LISTS.sk.to_owned(),
            text(keys::app_list_sort(app_id.as_str())),
        ),
    ])
}

pub(super) fn map(metadata: &Metadata) -> AttributeValue {
    let entries = metadata.iter();
    AttributeValue::M(
        entries
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    )
}

/// Decodes an app's item. `None` if it only counts endpoints.
pub(super) fn app(item: Item) -> Result<Option<App>, Malformed> {
    let mut fields = Fields::of(item);
    let Some(created_at) = fields.read_some(CREATED_AT)? else {
        return Ok(None);
    };
    let pk: String = fields.read(PK)?;
    Ok(Some(App {
        id: keys::app_of(&pk).ok_or("not the keys of an app")?,
        name: fields.read_some(NAME)?,
        metadata: fields.read_some(METADATA)?.unwrap_or_default(),
        created_at,
        updated_at: fields.read_some(UPDATED_AT)?.unwrap_or(created_at),
        deleted_at: fields.read_some(DELETED_AT)?,
        endpoint_count: fields.read_some(ENDPOINT_COUNT)?.unwrap_or(0),
    }))
}
