//! A small sample catalogue of event types.

use std::error::Error;

use serde_json::value::RawValue;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::catalogue::TypeDetails;
use webhook_endpoints::domain::event_type::EventType;

/// The name, group, description, schema and example of a type.
type Sample = [&'static str; 5];

const TYPES: [Sample; 4] = [
    [
        "invoice.paid",
        "Billing",
        "A customer paid an invoice in full.",
        r#"{
  "type": "object",
  "required": ["invoice", "amount", "currency"],
  "properties": {
    "invoice": {"type": "string"},
    "amount": {"type": "integer", "minimum": 0, "description": "In cents."},
    "currency": {"type": "string", "minLength": 3, "maxLength": 3}
  }
}"#,
        r#"{"invoice": "inv_1", "amount": 1200, "currency": "EUR"}"#,
    ],
    [
        "invoice.sent",
        "Billing",
        "An invoice was sent to a customer.",
        r#"{
  "type": "object",
  "required": ["invoice"],
  "properties": {"invoice": {"type": "string"}, "to": {"type": "string", "format": "email"}}
}"#,
        r#"{"invoice": "inv_1", "to": "ada@example.com"}"#,
    ],
    [
        "customer.created",
        "Customers",
        "A customer signed up.",
        r#"{
  "type": "object",
  "required": ["customer"],
  "properties": {"customer": {"type": "string"}, "name": {"type": ["string", "null"]}}
}"#,
        r#"{"customer": "cus_1", "name": "Ada"}"#,
    ],
    [
        "customer.deleted",
        "Customers",
        "A customer's account was deleted.",
        r#"{
  "type": "object",
  "required": ["customer"],
  "properties": {"customer": {"type": "string"}}
}"#,
        r#"{"customer": "cus_1"}"#,
    ],
];

/// Adds the sample types if the catalogue is empty, so that the developer's own changes last.
///
/// # Errors
/// If the emulator fails.
pub async fn seed(table: &Table) -> Result<(), Box<dyn Error + Send + Sync>> {
    if table.event_type_names().await? != [].into_iter().collect() {
        return Ok(());
    }
    let json = |text: &str| RawValue::from_string(text.to_owned()).map(Some);
    for [name, group, description, schema, example] in TYPES {
        let details = TypeDetails {
            description: description.to_owned(),
            schema: json(schema)?,
            example: json(example)?,
            group: Some(group.to_owned()),
            deprecated: false,
        };
        let now = Clock::system().now();
        table
            .put_event_type(&EventType::parse(name)?, &details, now)
            .await?;
    }
    Ok(())
}
