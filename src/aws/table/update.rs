//! A builder of update expressions and their conditions.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update as TransactUpdate};

use super::fields::number;
use super::keys::attribute::{DELETED_AT, PK};
use super::{Item, Table};

/// An update of one item. It is applied only if all of its conditions hold.
///
/// Every attribute is named by a placeholder, because DynamoDB reserves hundreds of words,
/// such as `status` and `url`.
///
/// Values and conditions refer to the item as it was before the update, so the order of
/// calls matters only for [`Self::or_absent`].
#[derive(Default)]
pub(super) struct Update {
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    delete: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Update {
    /// An update of an item that must exist.
    pub(super) fn existing() -> Self {
        Self::default().only_if_present(PK)
    }

    /// An update of an item that must exist and not be marked as deleted.
    pub(super) fn live() -> Self {
        Self::existing().only_if_absent(DELETED_AT)
    }

    pub(super) fn set(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(attribute, value));
        self.set.push(format!("{name} = {value}"));
        self
    }

    /// Sets an attribute, unless the item already has it.
    pub(super) fn set_once(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(attribute, value));
        self.set
            .push(format!("{name} = if_not_exists({name}, {value})"));
        self
    }

    /// Sets an attribute to the old value of `other`, or to `value` if the item did not have
    /// `other` yet.
    pub(super) fn set_to_first(
        mut self,
        attribute: &str,
        other: &str,
        value: AttributeValue,
    ) -> Self {
        let (name, value) = (self.name(attribute), self.value(attribute, value));
        let other = self.name(other);
        self.set
            .push(format!("{name} = if_not_exists({other}, {value})"));
        self
    }

    pub(super) fn set_or_remove(self, attribute: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(attribute, value),
            None => self.remove(attribute),
        }
    }

    pub(super) fn remove(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.remove.push(name);
        self
    }

    /// Appends to a list, and creates it if necessary.
    pub(super) fn append(mut self, attribute: &str, entry: AttributeValue) -> Self {
        let entry = AttributeValue::L(vec![entry]);
        let (name, value) = (self.name(attribute), self.value(attribute, entry));
        let empty = self.value("empty", AttributeValue::L(Vec::new()));
        self.set.push(format!(
            "{name} = list_append(if_not_exists({name}, {empty}), {value})"
        ));
        self
    }

    /// Adds a text to a set, and creates it if necessary.
    pub(super) fn include(mut self, attribute: &str, text: &str) -> Self {
        let one = AttributeValue::Ss(vec![text.to_owned()]);
        let (name, value) = (self.name(attribute), self.value(attribute, one));
        self.add.push(format!("{name} {value}"));
        self
    }

    /// Adds texts to a set, and creates it if necessary. `texts` must not be empty, because
    /// DynamoDB has no empty sets.
    pub(super) fn include_all(mut self, attribute: &str, texts: Vec<String>) -> Self {
        let texts = AttributeValue::Ss(texts);
        let (name, value) = (self.name(attribute), self.value(attribute, texts));
        self.add.push(format!("{name} {value}"));
        self
    }

    /// Removes a text from a set. DynamoDB removes the attribute together with the last one.
    pub(super) fn exclude(mut self, attribute: &str, text: &str) -> Self {
        let one = AttributeValue::Ss(vec![text.to_owned()]);
        let (name, value) = (self.name(attribute), self.value(attribute, one));
        self.delete.push(format!("{name} {value}"));
        self
    }

    /// Only if the set has fewer than `most` elements.
    pub(super) fn only_smaller(mut self, attribute: &str, most: usize) -> Self {
        let name = self.name(attribute);
        let most = self.value(&format!("most_of_{attribute}"), number(most));
        self.conditions.push(format!("size({name}) < {most}"));
        self
    }

    /// Adds to a number. A missing attribute counts as zero.
    pub(super) fn add(mut self, attribute: &str, amount: impl ToString) -> Self {
        let (name, value) = (self.name(attribute), self.value(attribute, number(amount)));
        let zero = self.value("zero", number(0));
        self.set
            .push(format!("{name} = if_not_exists({name}, {zero}) + {value}"));
        self
    }

    pub(super) fn only_if_present(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_exists({name})"));
        self
    }

    pub(super) fn only_if_absent(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.conditions
            .push(format!("attribute_not_exists({name})"));
        self
    }

    /// Only if the attribute has this value.
    pub(super) fn only_if(mut self, attribute: &str, value: AttributeValue) -> Self {
        let name = self.name(attribute);
        // Has its own placeholder, because the same update may set the attribute to another
        // value. The other conditions do the same.
        let value = self.value(&format!("if_{attribute}"), value);
        self.conditions.push(format!("{name} = {value}"));
        self
    }

    /// Only if the attribute has one of these values.
    pub(super) fn only_if_either(
        mut self,
        attribute: &str,
        one: AttributeValue,
        other: AttributeValue,
    ) -> Self {
        let name = self.name(attribute);
        let one = self.value(&format!("if_{attribute}"), one);
        let other = self.value(&format!("or_{attribute}"), other);
        self.conditions.push(format!("{name} IN ({one}, {other})"));
        self
    }

    /// Only if the attribute is less than this value.
    pub(super) fn only_below(mut self, attribute: &str, value: AttributeValue) -> Self {
        let name = self.name(attribute);
        let value = self.value(&format!("below_{attribute}"), value);
        self.conditions.push(format!("{name} < {value}"));
        self
    }

    /// Only if the attribute is greater than this value.
    pub(super) fn only_above(mut self, attribute: &str, value: AttributeValue) -> Self {
        let name = self.name(attribute);
        let value = self.value(&format!("above_{attribute}"), value);
        self.conditions.push(format!("{name} > {value}"));
        self
    }

    /// Only if the attribute is at most this value.
    pub(super) fn only_up_to(mut self, attribute: &str, value: AttributeValue) -> Self {
        let name = self.name(attribute);
        let value = self.value(&format!("up_to_{attribute}"), value);
        self.conditions.push(format!("{name} <= {value}"));
        self
    }

    /// Only if at least one of the conditions that `either` adds holds. The other conditions
    /// must hold as well.
    pub(super) fn only_if_any(mut self, either: impl FnOnce(Self) -> Self) -> Self {
        // Collects what `either` adds apart from the conditions so far.
        let others = std::mem::take(&mut self.conditions);
        let mut update = either(self);
        let any = update.conditions.join(" OR ");
        update.conditions = others;
        update.conditions.push(format!("({any})"));
        update
    }

    /// Only if the attribute is at least `least` and at most `most`.
    pub(super) fn only_between(
        mut self,
        attribute: &str,
        least: AttributeValue,
        most: AttributeValue,
    ) -> Self {
        let name = self.name(attribute);
        let least = self.value(&format!("least_{attribute}"), least);
        let most = self.value(&format!("most_{attribute}"), most);
        self.conditions
            .push(format!("{name} BETWEEN {least} AND {most}"));
        self
    }

    /// Only if the item does not have this attribute, or all conditions added so far hold.
    /// Conditions added later must hold in either case.
    pub(super) fn or_absent(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        let all = self.conditions.join(" AND ");
        self.conditions = vec![format!("(attribute_not_exists({name}) OR ({all}))")];
        self
    }

    /// Registers a placeholder for an attribute. A path into a map, such as `map.part`, gets
    /// one for each of its names.
    fn name(&mut self, path: &str) -> String {
        let placeholders = path.split('.').map(|attribute| {
            let placeholder = format!("#{attribute}");
            self.names.insert(placeholder.clone(), attribute.to_owned());
            placeholder
        });
        placeholders.collect::<Vec<_>>().join(".")
    }

    /// Registers a placeholder for a value. `name` must be unique within the update: a
    /// second value with the same name would replace the first.
    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{}", name.replace('.', "_"));
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn expression(&self) -> String {
        let mut clauses = Vec::new();
        if !self.set.is_empty() {
            clauses.push(format!("SET {}", self.set.join(", ")));
        }
        if !self.remove.is_empty() {
            clauses.push(format!("REMOVE {}", self.remove.join(", ")));
        }
        if !self.add.is_empty() {
            clauses.push(format!("ADD {}", self.add.join(", ")));
        }
        if !self.delete.is_empty() {
            clauses.push(format!("DELETE {}", self.delete.join(", ")));
        }
        clauses.join(" ")
    }

    fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    fn values(self) -> Option<HashMap<String, AttributeValue>> {
        // DynamoDB rejects an empty map.
        Some(self.values).filter(|values| !values.is_empty())
    }
}

impl Table {
    /// An `UpdateItem` call, ready to send.
    pub(super) fn update_item(&self, key: Item, update: Update) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression(update.expression())
            .set_condition_expression(update.condition())
            .set_expression_attribute_names(Some(update.names.clone()))
            .set_expression_attribute_values(update.values())
    }

    /// The update as part of a transaction.
    pub(super) fn transact_update(
        &self,
        key: Item,
        update: Update,
    ) -> Result<TransactUpdate, BuildError> {
        TransactUpdate::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression(update.expression())
            .set_condition_expression(update.condition())
            .set_expression_attribute_names(Some(update.names.clone()))
            .set_expression_attribute_values(update.values())
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_and_conditions_are_joined() {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let update = Update::live()
            .set("url", text("u"))
            .remove("disabledAt")
            .only_if("secretVersion", text("v1"));
        assert_eq!(update.expression(), "SET #url = :url REMOVE #disabledAt");
        assert_eq!(
            update.condition().unwrap(),
            "attribute_exists(#pk) AND attribute_not_exists(#del) \
             AND #secretVersion = :if_secretVersion"
        );
        let update = Update::default().remove("gsi2pk");
        assert_eq!(update.expression(), "REMOVE #gsi2pk");
        assert_eq!(update.condition(), None);
        assert_eq!(update.values(), None);
    }

    #[test]
    fn nested_attributes_are_named_by_their_path() {
        let update = Update::default().only_if("map.part", number(1));
        assert_eq!(update.condition().unwrap(), "#map.#part = :if_map_part");
        assert_eq!(update.names.len(), 2);
    }

    #[test]
    fn set_size_can_be_limited() {
        let update = Update::default()
            .include("types", "a")
            .only_smaller("types", 3)
            .or_absent("types");
        assert_eq!(update.expression(), "ADD #types :types");
        assert_eq!(
            update.condition().unwrap(),
            "(attribute_not_exists(#types) OR (size(#types) < :most_of_types))"
        );
        let update = Update::default().exclude("types", "a");
        assert_eq!(update.expression(), "DELETE #types :types");
    }

    #[test]
    fn alternatives_form_one_condition() {
        let update = Update::existing()
            .only_if_any(|either| {
                either
                    .only_if_absent("until")
                    .only_up_to("until", number(5))
            })
            .only_if_absent("deletedAt");
        assert_eq!(
            update.condition().unwrap(),
            "attribute_exists(#pk) AND (attribute_not_exists(#until) \
             OR #until <= :up_to_until) AND attribute_not_exists(#deletedAt)"
        );
    }

    #[test]
    fn absent_attribute_overrides_other_conditions() {
        let update = Update::default()
            .only_below("attempts", number(2))
            .only_if("status", AttributeValue::S("PENDING".to_owned()))
            .or_absent("pk");
        assert_eq!(
            update.condition().unwrap(),
            "(attribute_not_exists(#pk) OR (#attempts < :below_attempts \
             AND #status = :if_status))"
        );
    }
}
