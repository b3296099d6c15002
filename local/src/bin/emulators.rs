//! `cargo run -p local --bin emulators`: the AWS services alone, for functions
//! that run in processes of their own.
#![expect(
    clippy::print_stdout,
    reason = "what it prints is for whoever starts the functions"
)]

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use clap::Parser;
use local::emulators::Emulators;
use local::{gateway, samples, service};
use tokio::net::TcpListener;

/// Runs emulators of the AWS services, with the table and the queues of
/// template.yaml and with what the files of events/ name. Prints the functions'
/// environment, a variable a line, once they can be started. All state is in
/// memory.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on. A function in a container can't reach 127.0.0.1.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// Where deliveries of the sample endpoint go.
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
                "{} port {} can't be used: {error}",
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
