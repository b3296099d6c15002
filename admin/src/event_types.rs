//! The `event-types` command.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use clap::{Args, Subcommand};
use serde_json::value::RawValue;
use webhook_endpoints::aws::table::{Table, TypeFilter, TypePut};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::catalogue::{
    CatalogueType, TypeDetails, parse_description, parse_example, parse_group, parse_prefix,
    parse_schema,
};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::time::iso_millis;

use crate::BoxError;
use crate::arguments::{TableName, table};
use crate::output::{print_json, print_table};

/// How many types a page has.
const PAGE: usize = 100;

/// Limit of a schema or an example, in bytes. The same as the API's.
const MAX_BYTES: u64 = 64 * 1024;

#[derive(Subcommand)]
pub(crate) enum EventTypesCommand {
    /// Add an event type to the catalogue, or replace its entry.
    Put {
        #[command(flatten)]
        table: TableName,
        /// The type, such as invoice.paid.
        #[arg(long = "type", value_parser = EventType::parse_published)]
        name: EventType,
        #[command(flatten)]
        details: Details,
    },
    /// List the types in the catalogue.
    List {
        #[command(flatten)]
        table: TableName,
        /// List only types that begin with this.
        #[arg(long, default_value = "", value_parser = parse_prefix)]
        prefix: String,
        /// List only types in this group.
        #[arg(long, value_parser = parse_group)]
        group: Option<String>,
    },
    /// Print the entry of an event type as JSON.
    Get {
        #[command(flatten)]
        table: TableName,
        /// The type.
        #[arg(long = "type", value_parser = EventType::parse_published)]
        name: EventType,
    },
    /// Delete an event type from the catalogue. Subscriptions to it stay as they are.
    Delete {
        #[command(flatten)]
        table: TableName,
        /// The type.
        #[arg(long = "type", value_parser = EventType::parse_published)]
        name: EventType,
    },
}

#[derive(Args)]
pub(crate) struct Details {
    /// A description for people.
    #[arg(long, value_parser = parse_description)]
    description: String,
    /// A file with the JSON Schema (2020-12) of the type's data. `-` is standard input.
    #[arg(long)]
    schema: Option<PathBuf>,
    /// A file with an example of the type's data in JSON. `-` is standard input.
    #[arg(long)]
    example: Option<PathBuf>,
    /// The heading under which lists show the type.
    #[arg(long, value_parser = parse_group)]
    group: Option<String>,
    /// Discourage new subscriptions to the type.
    #[arg(long)]
    deprecated: bool,
}

impl Details {
    fn read(self) -> Result<TypeDetails, BoxError> {
        let from = |file: Option<PathBuf>| file.as_deref().map(json_of).transpose();
        let schema = from(self.schema)?.map(parse_schema).transpose();
        let example = from(self.example)?.map(parse_example).transpose();
        Ok(TypeDetails {
            description: self.description,
            schema: schema
                .map_err(|wrong| format!("the schema {wrong}"))?
                .flatten(),
            example: example
                .map_err(|wrong| format!("the example {wrong}"))?
                .flatten(),
            group: self.group,
            deprecated: self.deprecated,
        })
    }
}

fn json_of(file: &Path) -> Result<Box<RawValue>, BoxError> {
    let name = file.display();
    let opened: Result<Box<dyn Read>, _> = match file.as_os_str() == "-" {
        true => Ok(Box::new(io::stdin())),
        false => std::fs::File::open(file).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut text = String::new();
    // Read one byte more than is allowed, so that a larger file is noticed but not read whole.
    opened
        .and_then(|opened| opened.take(MAX_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {name}: {error}"))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("{name} is larger than 64 KiB").into());
    }
    let json = RawValue::from_string(text.trim().to_owned());
    Ok(json.map_err(|error| format!("{name} is not JSON: {error}"))?)
}

impl EventTypesCommand {
    pub(crate) fn table_name(&self) -> &str {
        match self {
            Self::Put { table, .. }
            | Self::List { table, .. }
            | Self::Get { table, .. }
            | Self::Delete { table, .. } => &table.table_name,
        }
    }
}

pub(crate) async fn run(
    command: EventTypesCommand,
    sdk: &SdkConfig,
    json: bool,
) -> Result<(), BoxError> {
    match command {
        EventTypesCommand::Put {
            table: table_name,
            name,
            details,
        } => {
            let (details, now) = (details.read()?, Clock::system().now());
            let table = table(sdk, table_name);
            let (found, done) = match table.put_event_type(&name, &details, now).await? {
                TypePut::Added(found) => (found, "added"),
                TypePut::Changed(found) => (found, "changed"),
                TypePut::Full => return Err("the catalogue already has 1,000 types".into()),
            };
            match json {
                true => print_json(&found),
                false => Ok(writeln!(io::stdout(), "event type {name} was {done}")?),
            }
        }
        EventTypesCommand::List {
            table: table_name,
            prefix,
            group,
        } => {
            let filter = TypeFilter { prefix, group };
            let types = all(&table(sdk, table_name), &filter).await?;
            if json {
                return print_json(&types);
            }
            let rows: Vec<_> = types.iter().map(row).collect();
            print_table(
                ["TYPE", "GROUP", "CHANGED", "DEPRECATED", "DESCRIPTION"],
                &rows,
            )
        }
        EventTypesCommand::Get {
            table: table_name,
            name,
        } => {
            let found = table(sdk, table_name).event_type(&name).await?;
            print_json(&found.ok_or_else(|| missing(&name))?)
        }
        EventTypesCommand::Delete {
            table: table_name,
            name,
        } => match table(sdk, table_name).remove_event_type(&name).await? {
            true => Ok(writeln!(io::stdout(), "event type {name} was deleted")?),
            false => Err(missing(&name).into()),
        },
    }
}

fn missing(name: &EventType) -> String {
    format!("the catalogue has no event type {name}")
}

async fn all(table: &Table, filter: &TypeFilter) -> Result<Vec<CatalogueType>, BoxError> {
    let (mut types, mut after) = (Vec::new(), None);
    loop {
        let page = table.event_types(filter, after.as_ref(), PAGE).await?;
        types.extend(page.types);
        after = page.next;
        if after.is_none() {
            return Ok(types);
        }
    }
}

fn row(found: &CatalogueType) -> [String; 5] {
    let details = &found.details;
    let first_line = details.description.lines().next().unwrap_or_default();
    [
        found.name.to_string(),
        details.group.as_deref().unwrap_or("-").to_owned(),
        iso_millis(found.updated_at),
        if details.deprecated { "yes" } else { "-" }.to_owned(),
        first_line.to_owned(),
    ]
}
