//! Storage of API keys.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::attribute::REVOKED_AT;
use super::keys::{self, API_KEY_SORT, LISTS};
use super::update::Update;
use super::{Item, Table, collect, decode, encode, text};
use crate::aws::error::{During, Malformed, StoreError, written};
use crate::domain::api_key::{ApiKeyHash, ApiKeyRecord};
use crate::domain::id::AppId;
use crate::domain::time::{iso_millis, serde_millis};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyItem {
    pk: String,
    sk: String,
    gsi1pk: String,
    gsi1sk: String,
    app_id: AppId,
    hint: String,
    label: String,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    revoked_at: Option<Timestamp>,
}

impl Table {
    /// Looks up the app that a key belongs to. `None` if the key is unknown or
    /// revoked. One eventually consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails or the item can't be decoded.
    pub async fn app_of_key(&self, hash: &ApiKeyHash) -> Result<Option<AppId>, StoreError> {
        const OPERATION: &str = "GetItem of an API key";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::api_key(hash)))
            .send()
            .await
            .during(OPERATION)?;
        found.item.map_or(Ok(None), owner).during(OPERATION)
    }

    /// Stores a new key's record. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn put_api_key(&self, record: &ApiKeyRecord) -> Result<(), StoreError> {
        const OPERATION: &str = "PutItem of an API key";
        let item = ApiKeyItem {
            pk: keys::api_key_partition(&record.hash),
            sk: API_KEY_SORT.to_owned(),
            gsi1pk: keys::api_keys_of(record.app_id),
            gsi1sk: keys::key_id_sort(record.id),
            app_id: record.app_id,
            hint: record.hint.clone(),
            label: record.label.clone(),
            created_at: record.created_at,
            revoked_at: record.revoked_at,
        };
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(&item).during(OPERATION)?))
            .send()
            .await
            .during(OPERATION)?;
        Ok(())
    }

    /// Lists an app's keys, oldest first, including revoked ones. One `Query` of the
    /// index, which is eventually consistent: a key created within the last second
    /// may be missing.
    ///
    /// # Errors
    /// If a call fails or an item can't be decoded.
    pub async fn api_keys(&self, app_id: AppId) -> Result<Vec<ApiKeyRecord>, StoreError> {
        const OPERATION: &str = "Query of API keys";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .key_condition_expression("#pk = :keys")
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_values(":keys", text(keys::api_keys_of(app_id)));
        let items = collect(OPERATION, query).await?.into_iter();
        let records: Result<_, _> = items.map(record).collect();
        records.during(OPERATION)
    }

    /// Revokes a key. The API rejects it as soon as its cached copy expires. Revoking
    /// it again keeps the first time. Returns `false` if there is no such key. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn revoke_api_key(
        &self,
        hash: &ApiKeyHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = Update::existing().set_once(REVOKED_AT, text(iso_millis(now)));
        let updated = self.update_item(keys::api_key(hash), update).send().await;
        written(updated).during("UpdateItem of an API key")
    }
}

/// The app that owns a key. `None` if the key is revoked.
fn owner(item: Item) -> Result<Option<AppId>, Malformed> {
    let item: ApiKeyItem = decode(item)?;
    Ok(item.revoked_at.is_none().then_some(item.app_id))
}

fn record(item: Item) -> Result<ApiKeyRecord, Malformed> {
    const KEYS: &str = "not the keys of an API key";
    let item: ApiKeyItem = decode(item)?;
    let hash = keys::api_key_hash(&item.pk).ok_or(KEYS)?;
    let hash = URL_SAFE_NO_PAD.decode(hash)?;
    Ok(ApiKeyRecord {
        id: keys::key_id_of_sort(&item.gsi1sk).ok_or(KEYS)?,
        app_id: item.app_id,
        hash: ApiKeyHash::from_bytes(hash.try_into().map_err(|_| KEYS)?),
        hint: item.hint,
        label: item.label,
        created_at: item.created_at,
        revoked_at: item.revoked_at,
    })
}
