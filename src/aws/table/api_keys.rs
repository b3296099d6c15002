//! Storage of API keys.

use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::attribute::{CREATED_AT, DELETED_AT, PK, REVOKED_AT};
use super::keys::{self, API_KEY_SORT, LISTS};
use super::transaction::Transacted;
use super::update::Update;
use super::{Item, Table, collect, decode, encode, text};
use crate::aws::error::{During, Malformed, StoreError, written};
use crate::domain::api_key::{ApiKeyHash, ApiKeyRecord, KeyAccess, KeyKind};
use crate::domain::id::AppId;
use crate::domain::scope::{Grant, Owner, Scope};
use crate::domain::time::{iso_millis, serde_millis};

/// What became of creating an app's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCreated {
    /// It is stored.
    Done,
    /// The app was never made, or is being deleted.
    NoApp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyItem {
    pk: String,
    sk: String,
    gsi1pk: String,
    gsi1sk: String,
    /// Absent in keys of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_id: Option<AppId>,
    /// Absent in keys that allow everything in their app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    hint: String,
    label: String,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    /// In seconds of Unix time. DynamoDB removes the item some time after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(
        with = "serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    revoked_at: Option<Timestamp>,
}

impl Table {
    /// Looks up what a key allows. `None` if the key is unknown or revoked; it may
    /// have expired. One eventually consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails or the item can't be decoded.
    pub async fn key_access(&self, hash: &ApiKeyHash) -> Result<Option<KeyAccess>, StoreError> {
        const OPERATION: &str = "GetItem of an API key";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::api_key(hash)))
            .send()
            .await
            .during(OPERATION)?;
        found.item.map_or(Ok(None), access).during(OPERATION)
    }

    /// Stores a new key's record. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn put_api_key(&self, record: &ApiKeyRecord) -> Result<(), StoreError> {
        const OPERATION: &str = "PutItem of an API key";
        let item = ApiKeyItem::from(record);
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(&item).during(OPERATION)?))
            .send()
            .await
            .during(OPERATION)?;
        Ok(())
    }

    /// Stores the record of an app's new key, if the app is there: a key that is made
    /// while its app is deleted would outlive it. One `TransactWriteItems`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn create_api_key(
        &self,
        app_id: AppId,
        record: &ApiKeyRecord,
    ) -> Result<KeyCreated, StoreError> {
        const OPERATION: &str = "TransactWriteItems of an API key";
        let writes = || -> Result<_, Malformed> {
            let app = ConditionCheck::builder()
                .table_name(&self.name)
                .set_key(Some(keys::app(app_id)))
                .condition_expression(
                    "attribute_exists(#created) AND attribute_not_exists(#deleted)",
                )
                .expression_attribute_names("#created", CREATED_AT)
                .expression_attribute_names("#deleted", DELETED_AT)
                .build()?;
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(encode(&ApiKeyItem::from(record))?))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PK)
                .build()?;
            Ok(vec![
                TransactWriteItem::builder().condition_check(app).build(),
                TransactWriteItem::builder().put(put).build(),
            ])
        };
        let writes = writes().during(OPERATION)?;
        Ok(match self.transact(OPERATION, writes).await? {
            Transacted::ConditionFailed { write: 0, .. } => KeyCreated::NoApp,
            // The hash is new, so an earlier try of the SDK stored it.
            Transacted::Done | Transacted::ConditionFailed { .. } => KeyCreated::Done,
        })
    }

    /// Lists the keys of an app or of the platform, oldest first, including revoked
    /// ones and expired ones that DynamoDB has not removed yet. One `Query` of the
    /// index, which is eventually consistent: a key created within the last second
    /// may be missing.
    ///
    /// # Errors
    /// If a call fails or an item can't be decoded.
    pub async fn api_keys(&self, owner: Owner) -> Result<Vec<ApiKeyRecord>, StoreError> {
        const OPERATION: &str = "Query of API keys";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .key_condition_expression("#pk = :keys")
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_values(":keys", text(keys::api_keys_of(owner)));
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

impl From<&ApiKeyRecord> for ApiKeyItem {
    fn from(record: &ApiKeyRecord) -> Self {
        let (app_id, scope) = match record.grant {
            Grant::Platform => (None, None),
            Grant::App { app_id, scope } => (Some(app_id), Some(scope)),
        };
        Self {
            pk: keys::api_key_partition(&record.hash),
            sk: API_KEY_SORT.to_owned(),
            gsi1pk: keys::api_keys_of(record.grant.owner()),
            gsi1sk: keys::key_id_sort(record.id),
            app_id,
            scope,
            hint: record.hint.clone(),
            label: record.label.clone(),
            created_at: record.created_at,
            expires_at: record.expires_at.map(Timestamp::as_second),
            revoked_at: record.revoked_at,
        }
    }
}

impl ApiKeyItem {
    /// What the key allows. Where an item is decides whether it is the platform's key:
    /// no attribute of an app's key can make it one.
    fn access(&self) -> Result<(ApiKeyHash, KeyAccess), Malformed> {
        const KEYS: &str = "not the keys of an API key";
        let (kind, hash) = keys::api_key_hash(&self.pk).ok_or(KEYS)?;
        let hash = URL_SAFE_NO_PAD.decode(hash)?;
        let grant = match kind {
            KeyKind::Platform => Grant::Platform,
            KeyKind::App => Grant::App {
                app_id: self.app_id.ok_or("an API key without an app")?,
                scope: self.scope.unwrap_or(Scope::All),
            },
        };
        let expires_at = self.expires_at.map(Timestamp::from_second).transpose()?;
        let hash = ApiKeyHash::from_bytes(kind, hash.try_into().map_err(|_| KEYS)?);
        Ok((hash, KeyAccess { grant, expires_at }))
    }
}

/// What a key allows. `None` if the key is revoked.
fn access(item: Item) -> Result<Option<KeyAccess>, Malformed> {
    let item: ApiKeyItem = decode(item)?;
    if item.revoked_at.is_some() {
        return Ok(None);
    }
    item.access().map(|(_, access)| Some(access))
}

fn record(item: Item) -> Result<ApiKeyRecord, Malformed> {
    let item: ApiKeyItem = decode(item)?;
    let (hash, access) = item.access()?;
    Ok(ApiKeyRecord {
        id: keys::key_id_of_sort(&item.gsi1sk).ok_or("not the keys of an API key")?,
        grant: access.grant,
        hash,
        hint: item.hint,
        label: item.label,
        created_at: item.created_at,
        expires_at: access.expires_at,
        revoked_at: item.revoked_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::api_key::{ApiKey, NewKey};

    fn item_of(key: &ApiKey, grant: Grant) -> Item {
        let new = NewKey {
            grant,
            label: String::new(),
            expires_at: Some(Timestamp::from_second(1_900_000_000).unwrap()),
        };
        let record = ApiKeyRecord::new(key, new, Timestamp::UNIX_EPOCH);
        encode(&ApiKeyItem::from(&record)).unwrap()
    }

    fn of_app(scope: Scope) -> Grant {
        let app_id = AppId::parse("acme").unwrap();
        Grant::App { app_id, scope }
    }

    fn key_of(grant: Grant) -> ApiKey {
        ApiKey::generate("whk", grant.owner(), &mut rand::rng()).unwrap()
    }

    #[test]
    fn grants_survive_the_table() {
        let mut grants = Scope::NAMES.map(|(_, scope)| of_app(scope)).to_vec();
        grants.push(Grant::Platform);
        for grant in grants {
            let key = key_of(grant);
            let read = record(item_of(&key, grant)).unwrap();
            assert_eq!((read.grant, read.hash), (grant, key.hash()));
            let access = access(item_of(&key, grant)).unwrap().unwrap();
            assert_eq!(access.grant, grant);
            assert_eq!(access.expires_at, read.expires_at);
            assert!(access.expires_at.is_some());
        }
    }

    #[test]
    fn keys_without_a_scope_allow_everything_in_their_app() {
        let mut item = item_of(&key_of(of_app(Scope::Read)), of_app(Scope::Read));
        item.remove("scope").unwrap();
        item.remove("expiresAt").unwrap();
        let access = access(item).unwrap().unwrap();
        assert_eq!(access.grant, of_app(Scope::All));
        assert_eq!(access.expires_at, None);
    }

    #[test]
    fn no_attribute_makes_an_apps_key_the_platforms() {
        let key = key_of(of_app(Scope::Read));
        let mut item = item_of(&key, Grant::Platform);
        assert!(access(item.clone()).is_err(), "it has no app");
        item.insert("scope".to_owned(), text("platform"));
        item.insert("appId".to_owned(), text("acme"));
        assert!(access(item).is_err(), "no such scope");
    }
}
