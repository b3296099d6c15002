//! The permissions of the roles in the template.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_norway::Value;

use crate::template::{TemplateError, properties, texts};

/// An action that a role allows on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The resource as written in the template, such as `Table.Arn`.
    pub resource: String,
    /// The patterns of the `dynamodb:LeadingKeys` condition. Every partition key must match at
    /// least one of them. Empty if there is no such condition.
    pub leading_keys: Vec<String>,
    /// The minimum recovery window for a deleted secret, in days, if there is such a condition.
    pub recovery_days: Option<u64>,
    /// The services through which the role may use a KMS key. Empty if there is no such condition.
    pub via_services: Vec<String>,
    /// The template's condition under which the action is granted, if any.
    pub only_if: Option<String>,
}

/// Reads all actions that a role allows, including those behind an `!If`.
///
/// # Errors
/// If the role is missing or has an unexpected form.
pub fn grants(role: &'static str) -> Result<BTreeSet<Grant>, TemplateError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Role {
        policies: Vec<Policy>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Policy {
        policy_document: Document,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        statement: Vec<Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Statement {
        effect: String,
        action: Value,
        resource: Value,
        #[serde(default)]
        condition: Value,
    }
    let role: Role = properties(role)?;
    let documents = role.policies.into_iter();
    let statements = documents.flat_map(|policy| policy.policy_document.statement);
    let mut grants = BTreeSet::new();
    for statement in statements {
        // `!If [condition, statement, nothing]`
        let (only_if, statement) = match &statement {
            Value::Tagged(tagged) => {
                let only_if = tagged.value.get(0).and_then(Value::as_str);
                (only_if, tagged.value.get(1).unwrap_or(&statement))
            }
            _ => (None, &statement),
        };
        let statement: Statement = serde_norway::from_value(statement.clone())?;
        if statement.effect != "Allow" {
            continue;
        }
        let condition = statement.condition.get("ForAllValues:StringLike");
        let leading_keys = condition.and_then(|keys| keys.get("dynamodb:LeadingKeys"));
        let leading_keys = leading_keys.map(texts).unwrap_or_default();
        let condition = statement.condition.get("NumericGreaterThanEquals");
        let days = condition.and_then(|least| least.get("secretsmanager:RecoveryWindowInDays"));
        let recovery_days = days.and_then(Value::as_u64);
        let condition = statement.condition.get("StringEquals");
        let services = condition.and_then(|equal| equal.get("kms:ViaService"));
        let services = services.map(texts).unwrap_or_default();
        for resource in texts(&statement.resource) {
            for action in texts(&statement.action) {
                grants.insert(Grant {
                    action: action.to_owned(),
                    resource: resource.to_owned(),
                    leading_keys: leading_keys.iter().map(|&key| key.to_owned()).collect(),
                    recovery_days,
                    via_services: services.iter().map(|&name| name.to_owned()).collect(),
                    only_if: only_if.map(str::to_owned),
                });
            }
        }
    }
    Ok(grants)
}
