//! API keys and portal sessions, stored under the SHA-256 of the key or token.

use aws_sdk_dynamodb::types::{
    ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::fields::{Draft, Fields, number, text, time};
use super::keys::attribute::{
    APP_ID, CREATED_AT, DELETED_AT, ENDPOINT_ID, EXPIRES_AT, HINT, LABEL, PK, REVOKED_AT, SCOPE,
};
use super::keys::{self, LISTS};
use super::transaction::Transacted;
use super::update::Update;
use super::{Item, Table, collect};
use crate::aws::error::{During, Malformed, StoreError, written};
use crate::domain::api_key::{ApiKeyHash, ApiKeyRecord, KeyAccess, KeyKind};
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::{AppId, EndpointId};
use crate::domain::scope::{Grant, Owner, Scope};
use crate::domain::session::SessionScope;

/// The outcome of [`Table::create_api_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCreated {
    /// The key or session is stored.
    Done,
    /// The app does not exist.
    NoApp,
    /// The app is being deleted.
    AppDeleting,
    /// The app does not have the endpoint that the session is for.
    NoEndpoint,
}

impl Table {
    /// Looks up what a key allows. `None` if the key is unknown or revoked. The caller must
    /// check whether it has expired. One eventually consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails or the item cannot be decoded.
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
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item_of(record)))
            .send()
            .await
            .during(OPERATION)?;
        Ok(())
    }

    /// Stores the record of an app's new key or session, provided that the app exists, and the
    /// endpoint too if the session is for one. The transaction keeps a key from being created
    /// while its app is deleted, which it would then outlive. One `TransactWriteItems`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn create_api_key(
        &self,
        app_id: AppId,
        record: &ApiKeyRecord,
    ) -> Result<KeyCreated, StoreError> {
        const OPERATION: &str = "TransactWriteItems of an API key";
        let endpoint = record.grant.only_endpoint();
        let writes = || -> Result<_, Malformed> {
            // The match on `write` below depends on this order.
            let mut checks = vec![self.check_live(keys::app(app_id), CREATED_AT)?];
            if let Some(endpoint_id) = endpoint {
                let key = EndpointKey {
                    app_id,
                    endpoint_id,
                };
                checks.push(self.check_live(keys::endpoint(key), PK)?);
            }
            let put = Put::builder()
                .table_name(&self.name)
                .set_item(Some(item_of(record)))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PK)
                .build()?;
            let put = TransactWriteItem::builder().put(put).build();
            let check = |check| TransactWriteItem::builder().condition_check(check).build();
            Ok(checks.into_iter().map(check).chain([put]).collect())
        };
        let writes = writes().during(OPERATION)?;
        let transacted = self.transact(OPERATION, writes).await?;
        let Transacted::ConditionFailed { write, item } = transacted else {
            return Ok(KeyCreated::Done);
        };
        let is_deleted = item.is_some_and(|item| item.contains_key(DELETED_AT));
        Ok(match (write, endpoint) {
            (0, _) if is_deleted => KeyCreated::AppDeleting,
            (0, _) => KeyCreated::NoApp,
            (1, Some(_)) => KeyCreated::NoEndpoint,
            // The hash is new, so it was an earlier try of the SDK that stored it.
            _ => KeyCreated::Done,
        })
    }

    /// A check that an item has this attribute and is not marked as deleted.
    fn check_live(&self, key: Item, attribute: &str) -> Result<ConditionCheck, Malformed> {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .condition_expression("attribute_exists(#created) AND attribute_not_exists(#deleted)")
            .expression_attribute_names("#created", attribute)
            .expression_attribute_names("#deleted", DELETED_AT)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(check.build()?)
    }

    /// Lists the keys of an app (without its sessions) or of the platform, oldest first.
    /// Includes revoked keys, and expired ones that DynamoDB has not removed yet. One `Query`
    /// of the index, which is eventually consistent: a key that was created within the last
    /// second may be missing.
    ///
    /// # Errors
    /// If a call fails or an item cannot be decoded.
    pub async fn api_keys(&self, owner: Owner) -> Result<Vec<ApiKeyRecord>, StoreError> {
        const OPERATION: &str = "Query of API keys";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .key_condition_expression("#pk = :keys AND begins_with(#sk, :key)")
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_names("#sk", LISTS.sk)
            .expression_attribute_values(":keys", text(keys::api_keys_of(owner)))
            .expression_attribute_values(":key", text(keys::KEY));
        let items = collect(OPERATION, query).await?.into_iter();
        let records: Result<_, _> = items.map(record).collect();
        records.during(OPERATION)
    }

    /// Revokes a key or a session. The API rejects it once its cached copy has expired.
    /// Revoking it again keeps the first time. `false` if there is no such key. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn revoke_api_key(
        &self,
        hash: &ApiKeyHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = Update::existing().set_once(REVOKED_AT, time(now));
        let updated = self.update_item(keys::api_key(hash), update).send().await;
        written(updated).during("UpdateItem of an API key")
    }
}

fn item_of(record: &ApiKeyRecord) -> Item {
    let app_id = match record.grant.owner() {
        Owner::Platform => None,
        Owner::App(app_id) => Some(app_id),
    };
    let expires_at = record.expires_at.map(Timestamp::as_second);
    let sort = keys::key_id_sort(record.hash.kind, record.id);
    Draft::of(keys::api_key(&record.hash))
        .set(LISTS.pk, text(keys::api_keys_of(record.grant.owner())))
        .set(LISTS.sk, text(sort))
        .set_some(SCOPE, app_id.map(|_| text(record.grant.as_str())))
        .set_some(APP_ID, app_id.map(text))
        .set_some(ENDPOINT_ID, record.grant.only_endpoint().map(text))
        .set(HINT, text(&record.hint))
        .set(LABEL, text(&record.label))
        .set(CREATED_AT, time(record.created_at))
        .set_some(EXPIRES_AT, expires_at.map(number))
        .set_some(REVOKED_AT, record.revoked_at.map(time))
        .item()
}

/// Decodes the hash in the partition key of a key or a session.
pub(super) fn stored_hash(pk: &str) -> Result<ApiKeyHash, Malformed> {
    const KEYS: &str = "not the keys of an API key";
    let (kind, hash) = keys::api_key_hash(pk).ok_or(KEYS)?;
    let hash = URL_SAFE_NO_PAD.decode(hash)?;
    let hash = hash.try_into().map_err(|_| KEYS)?;
    Ok(ApiKeyHash::from_bytes(kind, hash))
}

/// Decodes a key's hash and what the key allows. Only the item's partition key decides
/// what kind of key it is. No attribute can turn an app's key into the platform's, or a
/// session into a key.
fn access_in(fields: &mut Fields) -> Result<(ApiKeyHash, KeyAccess), Malformed> {
    let pk: String = fields.read(PK)?;
    let hash = stored_hash(&pk)?;
    let expires_at: Option<i64> = fields.read_some(EXPIRES_AT)?;
    let expires_at = expires_at.map(Timestamp::from_second).transpose()?;
    let app_id: Option<String> = fields.read_some(APP_ID)?;
    let app_id = |missing: &'static str| -> Result<AppId, Malformed> {
        Ok(AppId::parse(&app_id.ok_or(missing)?)?)
    };
    let scope: Option<String> = fields.read_some(SCOPE)?;
    let endpoint: Option<String> = fields.read_some(ENDPOINT_ID)?;
    let grant = match hash.kind {
        KeyKind::Platform => Grant::Platform,
        KeyKind::App => Grant::App {
            app_id: app_id("an API key without an app")?,
            // Keys without a scope allow everything in their app.
            scope: scope.map_or(Ok(Scope::All), |scope| Scope::parse(&scope))?,
        },
        KeyKind::Session if expires_at.is_none() => {
            return Err("a session without an expiry".into());
        }
        KeyKind::Session => Grant::Session {
            app_id: app_id("a session without an app")?,
            scope: SessionScope::parse(&scope.ok_or("a session without a scope")?)?,
            endpoint: endpoint.map(|id| EndpointId::parse(&id)).transpose()?,
        },
    };
    Ok((hash, KeyAccess { grant, expires_at }))
}

/// What a key allows. `None` if the key is revoked.
fn access(item: Item) -> Result<Option<KeyAccess>, Malformed> {
    if item.contains_key(REVOKED_AT) {
        return Ok(None);
    }
    let (_, access) = access_in(&mut Fields::of(item))?;
    Ok(Some(access))
}

fn record(item: Item) -> Result<ApiKeyRecord, Malformed> {
    let mut fields = Fields::of(item);
    let (hash, access) = access_in(&mut fields)?;
    let sort: String = fields.read(LISTS.sk)?;
    Ok(ApiKeyRecord {
        id: keys::key_id_of_sort(&sort).ok_or("not the keys of an API key")?,
        grant: access.grant,
        hash,
        hint: fields.read(HINT)?,
        label: fields.read(LABEL)?,
        created_at: fields.read(CREATED_AT)?,
        expires_at: access.expires_at,
        revoked_at: fields.read_some(REVOKED_AT)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::api_key::{ApiKey, NewKey};

    fn item(key: &ApiKey, grant: Grant) -> Item {
        let new = NewKey {
            grant,
            label: String::new(),
            expires_at: Some(Timestamp::from_second(1_900_000_000).unwrap()),
        };
        let record = ApiKeyRecord::new(key, new, Timestamp::UNIX_EPOCH);
        item_of(&record)
    }

    fn of_app(scope: Scope) -> Grant {
        let app_id = AppId::parse("acme").unwrap();
        Grant::App { app_id, scope }
    }

    fn session(scope: SessionScope, endpoint: Option<EndpointId>) -> Grant {
        Grant::Session {
            app_id: AppId::parse("acme").unwrap(),
            scope,
            endpoint,
        }
    }

    fn key_of(grant: Grant) -> ApiKey {
        ApiKey::generate("whk", KeyKind::of(grant), &mut rand::rng()).unwrap()
    }

    #[test]
    fn grants_round_trip() {
        let keys = Scope::NAMES.map(|(_, scope)| of_app(scope));
        let sessions = [SessionScope::Manage, SessionScope::Read]
            .into_iter()
            .flat_map(|scope| {
                [
                    session(scope, None),
                    session(scope, Some(EndpointId::new())),
                ]
            });
        for grant in keys.into_iter().chain([Grant::Platform]).chain(sessions) {
            let key = key_of(grant);
            let access = access(item(&key, grant)).unwrap().unwrap();
            assert_eq!(access.grant, grant);
            assert!(access.expires_at.is_some());
            let (hash, read) = access_in(&mut Fields::of(item(&key, grant))).unwrap();
            assert_eq!((hash, read), (key.hash(), access));
        }
    }

    #[test]
    fn listed_keys_are_read_in_full() {
        let grant = of_app(Scope::Read);
        let key = key_of(grant);
        let read = record(item(&key, grant)).unwrap();
        assert_eq!((read.grant, read.hash), (grant, key.hash()));
        assert!(read.expires_at.is_some());
    }

    #[test]
    fn keys_without_a_scope_allow_everything_in_their_app() {
        let mut item = item(&key_of(of_app(Scope::Read)), of_app(Scope::Read));
        item.remove(SCOPE).unwrap();
        item.remove(EXPIRES_AT).unwrap();
        let access = access(item).unwrap().unwrap();
        assert_eq!(access.grant, of_app(Scope::All));
        assert_eq!(access.expires_at, None);
    }

    #[test]
    fn attributes_cannot_turn_an_app_key_into_a_platform_key() {
        let key = key_of(of_app(Scope::Read));
        let mut item = item(&key, Grant::Platform);
        assert!(access(item.clone()).is_err(), "it has no app");
        item.insert(SCOPE.to_owned(), text("platform"));
        item.insert(APP_ID.to_owned(), text("acme"));
        assert!(access(item).is_err(), "no such scope");
    }

    #[test]
    fn incomplete_sessions_allow_nothing() {
        let grant = session(SessionScope::Read, Some(EndpointId::new()));
        let item = item(&key_of(grant), grant);
        for missing in [APP_ID, SCOPE, EXPIRES_AT] {
            let mut item = item.clone();
            item.remove(missing).unwrap();
            assert!(access(item).is_err(), "{missing}");
        }
        for (attribute, wrong) in [
            (SCOPE, "all"),
            (SCOPE, "publish"),
            (SCOPE, "platform"),
            (ENDPOINT_ID, ""),
            (ENDPOINT_ID, "*"),
        ] {
            let mut item = item.clone();
            item.insert(attribute.to_owned(), text(wrong));
            assert!(access(item).is_err(), "{attribute} {wrong}");
        }
    }
}
