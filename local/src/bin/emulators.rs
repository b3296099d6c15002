//! `cargo run -p local --bin emulators`: only the AWS emulators, for functions that run as separate
//! processes.
#![expect(
    clippy::print_stdout,
    reason = "prints the environment of the functions"
)]

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use clap::Parser;
use local::emulators::Emulators;
use local::{gateway, samples, service};
use tokio::net::TcpListener;

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
}

#[tokio::main]
async fn main() -> Result<(), String> {
    run(Arguments::parse())
        .await
        .map_err(|error| error.to_string())
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind((arguments.host, arguments.port))
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {} port {}: {error}",
                arguments.host, arguments.port
            )
        })?;
    let address = listener.local_addr()?;
    let emulators = Arc::new(Emulators::start(None, |client| client).await?);
    let resources = emulators.clients.create_resources("local", None).await?;
    samples::seed(&emulators.clients, &resources, &arguments.target).await?;
    for (name, value) in service::variables(&format!("http://{address}"), &resources) {
        println!("{name}={value}");
    }
    tokio::select! {
        served = axum::serve(listener, gateway::router(emulators)) => Ok(served?),
        signal = tokio::signal::ctrl_c() => Ok(signal?),
    }
}
