//! Apps. Their items also count their endpoints, so an item is there from the first
//! endpoint on, whether or not the app was made.
//!
//! All apps are in one partition of the index, which is not sharded: it is written only
//! when an app is made, changed or deleted, and takes 1,000 of these a second. (The
//! count of endpoints is not in the index.) DynamoDB splits it by sort key as it grows.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use super::fields::{Fields, text, time};
use super::keys::attribute::{
    CREATED_AT, DELETED_AT, ENDPOINT_COUNT, MADE_BY, METADATA, NAME, PK, SK, UPDATED_AT,
};
use super::keys::{self, APPS, LISTS};
use super::paging::list_page;
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError, has_code};
use crate::domain::app::{App, AppChange, Metadata};
use crate::domain::id::AppId;

/// What became of making or changing an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppPut {
    /// This call made it.
    Made(App),
    /// It was there already.
    Changed(App),
    /// It is being deleted.
    Deleting,
}

/// A page of apps, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsPage {
    /// The apps.
    pub apps: Vec<App>,
    /// The last one, if others follow.
    pub next: Option<AppId>,
}

impl Table {
    /// Makes an app, or changes it. One `UpdateItem`. Of two calls at the same time,
    /// one makes it: the item says which.
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
        let mut update = Update::default()
            .set_once(CREATED_AT, now.clone())
            .set_once(MADE_BY, text(&this_call))
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
        let is_new = item.get(MADE_BY) == Some(&text(&this_call));
        let app = app(item).during(OPERATION)?;
        let app = app.ok_or(Malformed::from("an app without its time"));
        let app = app.during(OPERATION)?;
        Ok(match is_new {
            true => AppPut::Made(app),
            false => AppPut::Changed(app),
        })
    }

    /// An app, if it was made. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
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

    /// The apps whose ids begin with `prefix`, by id in byte order, from the one after
    /// `after` on. One `Query` of the index, which is eventually consistent: an app that
    /// was made within the last second may be missing. A page may be shorter than
    /// `limit`, see [`list_page`].
    ///
    /// # Errors
    /// If a call fails, or an item cannot be read.
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

/// An app's place in the list.
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

/// The app of an item, if it was made.
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
