//! The lines of an import.

use serde_json::Value;
use webhook_endpoints::api::READ_ONLY_ENDPOINT_FIELDS;
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::target_url::TargetUrl;

use crate::platform_api::Fields;

/// The key in an endpoint's metadata of its id in the old system.
pub(super) const EXTERNAL_ID: &str = "externalId";

/// Fields that the API never returns, and which can't be compared.
const SECRET: [&str; 3] = ["secret", "secretFormat", "headers"];

/// A line, which describes an endpoint.
pub(super) struct Line {
    pub(super) app_id: AppId,
    pub(super) external_id: Option<String>,
    /// The body of a create.
    pub(super) body: Fields,
}

impl Line {
    /// Parses a line. Errors never quote it, because it may contain a secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Ok(Value::Object(mut body)) = serde_json::from_str(text) else {
            return Err("is not a JSON object".to_owned());
        };
        let app_id = match body.remove("appId") {
            Some(Value::String(text)) => AppId::parse(&text).map_err(|e| format!("appId {e}"))?,
            Some(_) => return Err("appId must be a string".to_owned()),
            None => return Err("appId is missing".to_owned()),
        };
        for field in READ_ONLY_ENDPOINT_FIELDS {
            body.remove(*field);
        }
        // Make the default explicit, so that an update compares it: a line without `active` means
        // an active endpoint, even if an earlier import created it as inactive.
        body.entry("active").or_insert(Value::Bool(true));
        let external_id = match body.remove(EXTERNAL_ID) {
            Some(Value::String(id)) => Some(id),
            Some(Value::Null) | None => None,
            Some(_) => return Err("externalId must be a string".to_owned()),
        };
        let external_id = external_id.or_else(|| external_id_of(&body).map(str::to_owned));
        if let Some(id) = &external_id {
            remember(&mut body, id)?;
        }
        Ok(Self {
            app_id,
            external_id,
            body,
        })
    }

    /// Whether this line describes the endpoint. With an external id, the endpoint must have the
    /// same one. Otherwise, the endpoint must have none, and the same URL, event types, channels
    /// and filter.
    pub(super) fn describes(&self, endpoint: &Fields) -> bool {
        match &self.external_id {
            Some(id) => external_id_of(endpoint) == Some(id),
            None => {
                let fields = ["url", "events", "channels", "filter"];
                external_id_of(endpoint).is_none()
                    && fields.into_iter().all(|field| self.agrees(field, endpoint))
            }
        }
    }

    /// The fields in which the endpoint differs from the line, except those that can't be compared.
    pub(super) fn differences(&self, endpoint: &Fields) -> Vec<String> {
        let fields = self
            .body
            .keys()
            .filter(|field| !SECRET.contains(&field.as_str()));
        fields
            .filter(|field| !self.agrees(field, endpoint))
            .cloned()
            .collect()
    }

    /// The body of the update that resolves these differences.
    pub(super) fn change(&self, differences: &[String]) -> Fields {
        // If an endpoint has headers, the API accepts a new URL only together with their values.
        let has_new_url = differences.iter().any(|field| field == "url");
        let is_sent = |field: &String| {
            differences.contains(field) || (has_new_url && field.as_str() == "headers")
        };
        let fields = self.body.iter().filter(|(field, _)| is_sent(field));
        fields
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    }

    fn agrees(&self, field: &str, endpoint: &Fields) -> bool {
        let [ours, theirs] =
            [&self.body, endpoint].map(|fields| comparable(field, fields.get(field)));
        ours == theirs
    }
}

fn external_id_of(endpoint: &Fields) -> Option<&str> {
    endpoint.get("metadata")?.get(EXTERNAL_ID)?.as_str()
}

/// Adds the external id to the metadata in a body.
fn remember(body: &mut Fields, external_id: &str) -> Result<(), String> {
    let metadata = body.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Fields::new());
    }
    let metadata = metadata
        .as_object_mut()
        .ok_or("metadata must be an object")?;
    metadata.insert(
        EXTERNAL_ID.to_owned(),
        Value::String(external_id.to_owned()),
    );
    Ok(())
}

/// Normalizes a field's value to the form in which the API returns it.
fn comparable(field: &str, value: Option<&Value>) -> Value {
    match value {
        None if field == "active" => Value::Bool(true),
        None => Value::Null,
        Some(Value::Object(fields)) if fields.is_empty() => Value::Null,
        Some(Value::String(url)) if field == "url" => {
            // Allow every address here. Whether it is accepted is up to the API.
            let parsed = TargetUrl::parse(url, AddressPolicy::PublicAndLoopback);
            Value::String(parsed.map_or_else(|_| url.clone(), |url| url.as_str().to_owned()))
        }
        // Order and duplicates do not matter.
        Some(Value::Array(items)) if field == "events" || field == "channels" => {
            let mut items: Vec<_> = items.iter().map(Value::to_string).collect();
            items.sort_unstable();
            items.dedup();
            items.into()
        }
        Some(value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(json: &Value) -> Line {
        Line::parse(&json.to_string()).unwrap()
    }

    fn fields(json: Value) -> Fields {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn invalid_lines_are_refused_without_being_quoted() {
        for (text, reason) in [
            (r#"{"secret": "whsec_x""#, "is not a JSON object"),
            (r#""whsec_x""#, "is not a JSON object"),
            (r#"{"url": "https://example.com"}"#, "appId is missing"),
            (r#"{"appId": 7}"#, "appId must be a string"),
            (
                r#"{"appId": "a", "externalId": 7}"#,
                "externalId must be a string",
            ),
            (
                r#"{"appId": "a", "externalId": "7", "metadata": "x"}"#,
                "metadata must be an object",
            ),
        ] {
            assert_eq!(Line::parse(text).err().as_deref(), Some(reason), "{text}");
        }
        let error = Line::parse(r#"{"appId": "whsec_x y"}"#).err().unwrap();
        assert!(!error.contains("whsec_x"), "{error}");
    }

    #[test]
    fn exported_lines_become_bodies_of_a_create() {
        let exported = json!({
            "appId": "acme",
            "id": "01a21598-61e4-77c7-bb5b-193a8df04a64",
            "url": "https://example.com",
            "events": ["*"],
            "createdAt": "2026-01-31T09:30:00.000Z",
            "disabledReason": null,
            "metadata": { "externalId": "ep_1" },
        });
        let line = line(&exported);
        let names: Vec<_> = line.body.keys().map(String::as_str).collect();
        assert_eq!(names, ["active", "events", "metadata", "url"]);
        assert_eq!(line.external_id.as_deref(), Some("ep_1"));
    }

    #[test]
    fn updates_activate_and_send_headers_with_a_new_url() {
        let given = json!({
            "appId": "a", "externalId": "1", "url": "https://b.example", "events": ["x"],
            "headers": { "x-token": "y" },
        });
        let line = line(&given);
        let mut shown = fields(json!({
            "url": "https://b.example", "events": ["x"], "active": false,
            "metadata": { "externalId": "1" },
        }));
        let differences = line.differences(&shown);
        assert_eq!(differences, ["active"]);
        assert_eq!(
            Value::Object(line.change(&differences)),
            json!({ "active": true })
        );
        shown.insert("active".to_owned(), json!(true));
        shown.insert("url".to_owned(), json!("https://a.example"));
        let change = Value::Object(line.change(&line.differences(&shown)));
        let expected = json!({ "url": "https://b.example", "headers": { "x-token": "y" } });
        assert_eq!(change, expected);
    }

    #[test]
    fn endpoints_are_recognized_by_external_id_or_by_their_fields() {
        let known =
            json!({ "appId": "a", "externalId": "1", "url": "https://a.example", "events": ["x"] });
        let moved =
            fields(json!({ "url": "https://b.example", "metadata": { "externalId": "1" } }));
        assert!(line(&known).describes(&moved));
        assert_eq!(line(&known).differences(&moved), ["events", "url"]);

        let anonymous =
            json!({ "appId": "a", "url": "https://bücher.example/", "events": ["x", "y", "x"] });
        let mut same = fields(json!({
            "url": "https://xn--bcher-kva.example/", "events": ["y", "x"], "channels": null, "filter": null,
        }));
        assert!(line(&anonymous).describes(&same));
        assert!(line(&anonymous).differences(&same).is_empty());
        same.insert(
            "filter".to_owned(),
            json!({ "amount": [{ "exists": true }] }),
        );
        assert!(!line(&anonymous).describes(&same));
    }

    #[test]
    fn secrets_are_not_compared() {
        let with_secrets = json!({
            "appId": "a", "url": "https://a.example", "events": ["x"],
            "secret": "whsec_x", "secretFormat": "standard", "headers": { "x-token": "y" },
        });
        let shown = fields(
            json!({ "url": "https://a.example", "events": ["x"], "headerNames": ["x-token"] }),
        );
        assert!(line(&with_secrets).differences(&shown).is_empty());
    }
}
