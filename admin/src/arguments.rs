//! Arguments that several commands take.

use aws_config::SdkConfig;
use clap::Args;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::domain::id::AppId;

use crate::errors::has_api_key;

#[derive(Args)]
pub(crate) struct TableName {
    /// Name of the DynamoDB table.
    #[arg(long, env = "TABLE_NAME", value_parser = not_empty)]
    pub(crate) table_name: String,
}

pub(crate) fn table(sdk: &SdkConfig, name: TableName) -> Table {
    Table::new(aws_sdk_dynamodb::Client::new(sdk), name.table_name)
}

pub(crate) fn not_empty(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("must not be empty"),
        text => Ok(text.to_owned()),
    }
}

/// Rejects API keys. They parse as app ids, and would then be printed and stored as such.
pub(crate) fn app_id(text: &str) -> Result<AppId, String> {
    if has_api_key(text) {
        return Err("is an API key, not the id of an app".to_owned());
    }
    AppId::parse(text).map_err(|error| error.to_string())
}
