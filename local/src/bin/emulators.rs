//! `cargo run -p local --bin emulators`: only the AWS emulators, for functions that run as separate
//! processes.
#![expect(
    clippy::print_stdout,
    reason = "prints the environment of the functions"
)]

use std::error::Error;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use local::emulators::{Emulators, Servers};
use local::lost_answers::losing;
use local::{dynamodb, gateway, samples, service};
use tokio::net::TcpListener;

type BoxError = Box<dyn Error + Send + Sync>;

/// Run emulators of the AWS services, with the table and the queues from template.yaml and the
/// sample data for events/. When they are ready, print the functions' environment variables, one
/// per line. All state is in memory.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on. Functions in containers can't reach 127.0.0.1.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on. Use 0 for any free port.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// URL of the sample endpoint.
    #[arg(long, default_value = "https://example.com/webhooks")]
    target: String,
    /// Serve DynamoDB alone, with its state in this directory, and print its URL.
    #[arg(long, value_name = "DIRECTORY")]
    only_dynamodb: Option<PathBuf>,
    /// Use the DynamoDB at this URL, such as another process with --only-dynamodb.
    #[arg(long, value_name = "URL", conflicts_with = "only_dynamodb")]
    dynamodb: Option<String>,
    /// Lose one answer in so many, at random, as a network may: the call is executed.
    #[arg(long, value_name = "ANSWERS", conflicts_with = "only_dynamodb")]
    lose_one_in: Option<NonZeroU32>,
}

#[tokio::main]
async fn main() -> Result<(), String> {
    run(Arguments::parse())
        .await
        .map_err(|error| error.to_string())
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let listener = TcpListener::bind((arguments.host, arguments.port))
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {} port {}: {error}",
                arguments.host, arguments.port
            )
        })?;
    match &arguments.only_dynamodb {
        Some(dir) => serve_dynamodb(listener, dir).await,
        None => serve(listener, arguments).await,
    }
}

async fn serve(listener: TcpListener, arguments: Arguments) -> Result<(), BoxError> {
    let address = listener.local_addr()?;
    let servers = Servers {
        dynamodb: arguments.dynamodb,
        others: None,
    };
    let emulators = Emulators::start_beside(servers, None, |client| client).await?;
    let emulators = Arc::new(emulators);
    let resources = emulators.clients.create_resources("local", None).await?;
    samples::seed(&emulators.clients, &resources, &arguments.target).await?;
    for (name, value) in service::variables(&format!("http://{address}"), &resources) {
        println!("{name}={value}");
    }
    let router = gateway::router(emulators);
    let router = match arguments.lose_one_in {
        Some(one_in) => losing(router, one_in),
        None => router,
    };
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        signal = tokio::signal::ctrl_c() => Ok(signal?),
    }
}

async fn serve_dynamodb(listener: TcpListener, dir: &Path) -> Result<(), BoxError> {
    println!("http://{}", listener.local_addr()?);
    let stopped = async {
        // Without a handler, Ctrl-C ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    Ok(dynamodb::serve(listener, dir, stopped).await?)
}
