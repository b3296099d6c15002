//! The catalogue of event types. Every key can list and get types; only the platform can put and
//! delete them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::body::Body;
use super::error::ApiError;
use super::extract::{Caller, CataloguePath, NO_EVENT_TYPE};
use super::name_list::NameList;
use super::query::QueryParameters;
use super::{Api, success};
use crate::aws::table::{TypeFilter, TypePut};
use crate::domain::catalogue::{
    CatalogueType, TypeDetails, parse_description, parse_example, parse_group, parse_prefix,
    parse_schema,
};
use crate::domain::event_type::EventType;
use crate::domain::validation::FieldError;

const CATALOGUE_IS_FULL: ApiError =
    ApiError::conflict("The catalogue already has 1,000 event types, the maximum.");

/// Fields that put ignores, so that a client can change what get returned and send it back.
const READ_ONLY: [&str; 3] = ["name", "createdAt", "updatedAt"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<CatalogueType>,
    next_cursor: Option<String>,
}

/// `PUT /event-types/{name}`. One `UpdateItem`, and a `TransactWriteItems` if the type is new.
pub(super) async fn put(
    State(api): State<Api>,
    CataloguePath(name): CataloguePath,
    body: Body,
) -> Result<Response, ApiError> {
    let (name, details) = parse(name, body)?;
    let (table, now) = (&api.stores.table, api.clock.now());
    let (status, put) = match table.put_event_type(&name, &details, now).await? {
        TypePut::Added(put) => (StatusCode::CREATED, put),
        TypePut::Changed(put) => (StatusCode::OK, put),
        TypePut::Full => return Err(CATALOGUE_IS_FULL),
    };
    Ok((status, success(put)).into_response())
}

/// `GET /event-types/{name}`. One `GetItem`, or none if the name is invalid.
pub(super) async fn get(
    State(api): State<Api>,
    CataloguePath(name): CataloguePath,
) -> Result<Response, ApiError> {
    let name = name.map_err(|_| NO_EVENT_TYPE)?;
    let found = api.stores.table.event_type(&name).await?;
    Ok(success(found.ok_or(NO_EVENT_TYPE)?))
}

/// `DELETE /event-types/{name}`. One `TransactWriteItems`. Subscriptions to the type and its events
/// stay as they are.
pub(super) async fn delete(
    State(api): State<Api>,
    CataloguePath(name): CataloguePath,
) -> Result<Response, ApiError> {
    let name = name.map_err(|_| NO_EVENT_TYPE)?;
    match api.stores.table.remove_event_type(&name).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(NO_EVENT_TYPE),
    }
}

/// `GET /event-types`. One `Query`. With the filter `group`, more of them if few of the types that
/// it read are in the group.
pub(super) async fn list(
    State(api): State<Api>,
    Caller(_): Caller,
    mut query: QueryParameters,
) -> Result<Response, ApiError> {
    let prefix = query.read("prefix", parse_prefix);
    let filter = TypeFilter {
        prefix: prefix.unwrap_or_default(),
        group: query.read("group", parse_group),
    };
    let list = NameList {
        of: "event-types/1",
        filters: &[&filter.prefix, filter.group.as_deref().unwrap_or_default()],
    };
    let wanted = list.page(query, |last| EventType::parse(last).ok())?;
    let table = &api.stores.table;
    let page = table.event_types(&filter, wanted.after.as_ref(), wanted.limit);
    let page = page.await?;
    Ok(success(Page {
        next_cursor: page.next.map(|last| list.cursor_after(last.as_str())),
        items: page.types,
    }))
}

fn parse(
    name: Result<EventType, &'static str>,
    mut body: Body,
) -> Result<(EventType, TypeDetails), ApiError> {
    body.ignore(&READ_ONLY);
    body.require(&["description"]);
    let name = body.check(name.map_err(|message| FieldError::new("name", message)));
    let description = body.string("description", parse_description);
    let schema = body.raw("schema").map(parse_schema);
    let schema = schema.map(|schema| schema.map_err(|wrong| FieldError::new("schema", wrong)));
    let schema = schema.and_then(|schema| body.check(schema));
    let example = body.raw("example").map(parse_example);
    let example = example.map(|example| example.map_err(|wrong| FieldError::new("example", wrong)));
    let example = example.and_then(|example| body.check(example));
    let group = body.string_or_null("group", parse_group);
    let deprecated = body.boolean("deprecated");
    body.finish(name.zip(description).map(|(name, description)| {
        let details = TypeDetails {
            description,
            schema: schema.flatten(),
            example: example.flatten(),
            group: group.flatten(),
            deprecated: deprecated.unwrap_or(false),
        };
        (name, details)
    }))
}
