//! A minimal Lambda function with only lambda_http and axum: the baseline for cold
//! starts.

use axum::Router;
use axum::routing::get;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let router = Router::new().route("/", get(async || "hello"));
    lambda_http::run(router).await
}
