//! API keys in the table.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{INDEX, Item, Table, collect, decode, encode, key, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::api_key::{ApiKeyHash, ApiKeyRecord};
use crate::domain::id::{AppId, KeyId};
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
    /// The app of a key, unless the key is unknown or revoked. One `GetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn app_of_key(&self, hash: &ApiKeyHash) -> Result<Option<AppId>, AwsError> {
        const OPERATION: &str = "GetItem of an API key";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(api_key_key(hash)))
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        found.item.map_or(Ok(None), |item| owner(OPERATION, item))
    }

    /// Stores a new key's record. One `PutItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn put_api_key(&self, record: &ApiKeyRecord) -> Result<(), AwsError> {
        const OPERATION: &str = "PutItem of an API key";
        let item = ApiKeyItem {
            pk: partition(&record.hash),
            sk: SORT.to_owned(),
            gsi1pk: keys_of(record.app_id),
            gsi1sk: sort_of(record.id),
            app_id: record.app_id,
            hint: record.hint.clone(),
            label: record.label.clone(),
            created_at: record.created_at,
            revoked_at: record.revoked_at,
        };
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(OPERATION, &item)?))
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        Ok(())
    }

    /// An app's keys, oldest first, revoked ones included. One `Query` of the
    /// index, so a key made in the last second may be missing.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn api_keys(&self, app_id: AppId) -> Result<Vec<ApiKeyRecord>, AwsError> {
        const OPERATION: &str = "Query of API keys";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .key_condition_expression("gsi1pk = :keys")
            .expression_attribute_values(":keys", text(keys_of(app_id)));
        collect(OPERATION, query)
            .await?
            .into_iter()
            .map(|item| {
                let item: ApiKeyItem = decode(OPERATION, item)?;
                item.into_record()
                    .ok_or_else(|| AwsError::unexpected(OPERATION, "not the keys of an API key"))
            })
            .collect()
    }

    /// Revokes a key; it is refused from now on, or from the end of the API's
    /// key cache. `false` when there is no such key. One `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn revoke_api_key(
        &self,
        hash: &ApiKeyHash,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(api_key_key(hash)))
            .update_expression("SET revokedAt = if_not_exists(revokedAt, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", text(iso_millis(now)))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(AwsError::new("UpdateItem of an API key", error)),
        }
    }
}

/// Key of an API key's item.
pub(super) fn api_key_key(hash: &ApiKeyHash) -> Item {
    key(partition(hash), SORT.to_owned())
}

/// The app of an API key's item, unless the key is revoked.
pub(super) fn owner(operation: &'static str, item: Item) -> Result<Option<AppId>, AwsError> {
    let item: ApiKeyItem = decode(operation, item)?;
    Ok(item.revoked_at.is_none().then_some(item.app_id))
}

impl ApiKeyItem {
    fn into_record(self) -> Option<ApiKeyRecord> {
        let hash = URL_SAFE_NO_PAD
            .decode(self.pk.strip_prefix("KEY#")?)
            .ok()?
            .try_into()
            .ok()?;
        Some(ApiKeyRecord {
            id: KeyId::parse(self.gsi1sk.strip_prefix("KEY#")?).ok()?,
            app_id: self.app_id,
            hash: ApiKeyHash::from_bytes(hash),
            hint: self.hint,
            label: self.label,
            created_at: self.created_at,
            revoked_at: self.revoked_at,
        })
    }
}

const SORT: &str = "KEY";

fn partition(hash: &ApiKeyHash) -> String {
    format!("KEY#{hash}")
}

fn keys_of(app_id: AppId) -> String {
    format!("APP#{app_id}#KEYS")
}

fn sort_of(id: KeyId) -> String {
    format!("KEY#{id}")
}
