//! Finds portal sessions without their tokens, which are not stored. An app's sessions are
//! in the same index partition as its keys, so one query finds everything that must end
//! with the app.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use jiff::Timestamp;

use super::api_keys::stored_hash;
use super::fields::{Fields, text};
use super::keys::attribute::{EXPIRES_AT, PK, REVOKED_AT};
use super::keys::{self, LISTS};
use super::{Item, Table, collect};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::api_key::{ApiKeyHash, KeyKind};
use crate::domain::id::{AppId, KeyId};
use crate::domain::scope::Owner;

/// A key or a session of an app, reduced to what revoking it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) hash: ApiKeyHash,
    expires_at: Option<i64>,
    is_revoked: bool,
}

impl Credential {
    /// Whether the credential still works at `now`.
    pub(super) fn is_in_use(&self, now: Timestamp) -> bool {
        !self.is_revoked && self.expires_at.is_none_or(|at| now.as_second() < at)
    }
}

impl Table {
    /// The hash of an app's session. `None` if there is no such session, or if it was revoked
    /// or has expired. One `Query` of the index, which is eventually consistent: a session
    /// that was created within the last second may be missing.
    ///
    /// # Errors
    /// If the call fails or the item cannot be decoded.
    pub async fn session_hash(
        &self,
        app_id: AppId,
        id: KeyId,
        now: Timestamp,
    ) -> Result<Option<ApiKeyHash>, StoreError> {
        const OPERATION: &str = "Query of a session";
        let sort = keys::key_id_sort(KeyKind::Session, id);
        let query = self
            .credentials(app_id, "#pk = :keys AND #sk = :session")
            .expression_attribute_names("#sk", LISTS.sk)
            .expression_attribute_values(":session", text(sort));
        let found = self.all_credentials(OPERATION, query).await?.into_iter();
        let mut in_use = found.filter(|session| session.is_in_use(now));
        Ok(in_use.next().map(|session| session.hash))
    }

    /// All keys and sessions of an app, including revoked and expired ones. One `Query` of the
    /// index per 1 MB. Those that were created within the last second may be missing.
    ///
    /// # Errors
    /// If a call fails or an item cannot be decoded.
    pub(super) async fn credentials_of(
        &self,
        app_id: AppId,
    ) -> Result<Vec<Credential>, StoreError> {
        const OPERATION: &str = "Query of API keys and sessions";
        let query = self.credentials(app_id, "#pk = :keys");
        self.all_credentials(OPERATION, query).await
    }

    fn credentials(&self, app_id: AppId, condition: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .index_name(LISTS.name)
            .key_condition_expression(condition)
            .projection_expression("#key, #ttl, #revoked")
            .expression_attribute_names("#pk", LISTS.pk)
            .expression_attribute_names("#key", PK)
            .expression_attribute_names("#ttl", EXPIRES_AT)
            .expression_attribute_names("#revoked", REVOKED_AT)
            .expression_attribute_values(":keys", text(keys::api_keys_of(Owner::App(app_id))))
    }

    async fn all_credentials(
        &self,
        operation: &'static str,
        query: QueryFluentBuilder,
    ) -> Result<Vec<Credential>, StoreError> {
        let items = collect(operation, query).await?.into_iter();
        let credentials: Result<_, _> = items.map(credential).collect();
        credentials.during(operation)
    }
}

fn credential(item: Item) -> Result<Credential, Malformed> {
    let is_revoked = item.contains_key(REVOKED_AT);
    let mut fields = Fields::of(item);
    let pk: String = fields.read(PK)?;
    Ok(Credential {
        hash: stored_hash(&pk)?,
        expires_at: fields.read_some(EXPIRES_AT)?,
        is_revoked,
    })
}
