//! `cargo run -p local`: the whole service in one process.
#![expect(
    clippy::print_stdout,
    reason = "what it prints is for the person who runs it"
)]

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures_util::future::try_join_all;
use local::emulators::{Emulators, Resources};
use local::receiver::Receiver;
use local::service::{self, SECRET_PREFIX, Settings};
use local::{gateway, poller};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::message::Message;
use webhook_endpoints::telemetry;

type BoxError = Box<dyn Error + Send + Sync>;

/// Runs the API, the delivery function, emulators of the AWS services and a
/// sample receiver in one process.
#[derive(Parser)]
struct Arguments {
    /// Port of the API; 0 takes a free one, here and for the other two.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the sample receiver.
    #[arg(long, default_value_t = 3001)]
    receiver_port: u16,
    /// Port of the AWS emulators, for use as AWS_ENDPOINT_URL.
    #[arg(long, default_value_t = 4566)]
    aws_port: u16,
    /// Keep state in files of this directory, for the next run.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// What to log: error, warn, info or debug.
    #[arg(long, default_value = "warn")]
    log_level: tracing::Level,
}

/// The app that the run starts with.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seed {
    app_id: AppId,
    api_key: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    telemetry::init(arguments.log_level);
    // All ports before anything else, so that a taken one changes nothing.
    let api_listener = bind(arguments.port, "--port").await?;
    let receiver_listener = bind(arguments.receiver_port, "--receiver-port").await?;
    let aws_listener = bind(arguments.aws_port, "--aws-port").await?;
    let urls = Urls {
        api: url(&api_listener)?,
        receiver: url(&receiver_listener)?,
        aws: url(&aws_listener)?,
    };

    let data_dir = arguments.data_dir.as_deref();
    let emulators = Arc::new(Emulators::start(data_dir, |client| client).await?);
    let clients = &emulators.clients;
    let resources = clients.create_resources("local", None).await?;
    let table = service::table(clients, &resources);
    let seed = seed(data_dir, &table).await?;

    let settings = Settings::default();
    let sender = SenderOptions::new(settings.address_policy, Duration::from_secs(15));
    let deliverer = service::deliverer(clients, &resources, &settings, sender)?;
    let receiver = Receiver {
        app_id: seed.app_id,
        table,
        secrets: service::secrets(clients),
        print: |line| println!("{line}"),
    };

    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        // An error means that the sender is gone: stop as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let router = service::api(clients, &resources, &settings);
    let servers = [
        tokio::spawn(
            axum::serve(api_listener, router)
                .with_graceful_shutdown(stopped(stopping.clone()))
                .into_future(),
        ),
        tokio::spawn(
            axum::serve(aws_listener, gateway::router(Arc::clone(&emulators)))
                .with_graceful_shutdown(stopped(stopping.clone()))
                .into_future(),
        ),
        tokio::spawn(
            axum::serve(receiver_listener, receiver.router())
                .with_graceful_shutdown(stopped(stopping))
                .into_future(),
        ),
    ];
    let polling = tokio::spawn(poller::poll(
        clients.sqs.clone(),
        resources.queue_url.clone(),
        deliverer,
    ));
    print_guide(&urls, data_dir, &seed, &resources);

    // One future for the whole time: a signal between two would be missed.
    let mut asked_to_stop = pin!(asked_to_stop());
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    // In the place of the template's rule.
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    let queue = service::queue(clients, &resources);
    loop {
        tokio::select! {
            asked = &mut asked_to_stop => {
                asked?;
                break;
            }
            _ = tick.tick() => emulators.save().await?,
            _ = sweep.tick() => queue.send(&Message::Sweep).await?,
        }
    }
    println!("\nStopping.");
    polling.abort();
    // The receiver of a false value can't fail: the servers hold it.
    let _ = stop.send(true);
    // A request that takes longer is no reason to stay.
    if let Ok(served) = tokio::time::timeout(LAST_REQUESTS, try_join_all(servers)).await {
        served?.into_iter().collect::<Result<(), _>>()?;
    }
    emulators.save().await?;
    Ok(())
}

/// How often attempts that are due soon are put on the queue.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How long requests in progress may take once the run is to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// Waits for Ctrl-C, or for the SIGTERM of a process manager.
async fn asked_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

async fn bind(port: u16, option: &str) -> Result<TcpListener, BoxError> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("port {port} is taken; choose another one with {option}").into()
            }
            _ => format!("port {port} can't be used: {error}").into(),
        })
}

/// The app of an earlier run in the same directory, or a new one.
async fn seed(
    data_dir: Option<&Path>,
    table: &webhook_endpoints::aws::table::Table,
) -> Result<Seed, BoxError> {
    let file = data_dir.map(|dir| dir.join("app.json"));
    if let Some(file) = file.as_deref().filter(|file| file.exists()) {
        return Ok(serde_json::from_slice(&std::fs::read(file)?)?);
    }
    let key: ApiKey = service::new_key();
    let seed = Seed {
        app_id: AppId::new(),
        api_key: key.expose().to_owned(),
    };
    service::seed_key(table, seed.app_id, &key).await?;
    if let Some(file) = file {
        std::fs::write(file, serde_json::to_vec_pretty(&seed)?)?;
    }
    Ok(seed)
}

/// Where everything is.
struct Urls {
    api: String,
    receiver: String,
    aws: String,
}

fn url(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

fn print_guide(urls: &Urls, data_dir: Option<&Path>, seed: &Seed, resources: &Resources) {
    let Seed { app_id, api_key } = seed;
    let Urls { api, receiver, aws } = urls;
    let Resources {
        table_name,
        queue_url,
        ..
    } = resources;
    println!(
        r#"
webhook-endpoints is running. Paste these into another terminal:

export APP={api}/apps/{app_id}
export API={api}/apps/{app_id}/webhooks
export KEY={api_key}

CREATED=$(curl -sS $API -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"url": "{receiver}/hook", "events": ["invoice.*"]}}')
echo "$CREATED"
export ID=$(echo "$CREATED" | sed -E 's/.*"id":"([^"]+)".*/\1/')

curl -sS -X POST $API/$ID/test-ping -H "x-api-key: $KEY"; echo
curl -sS $APP/events -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"type": "invoice.paid", "data": {{"invoice": "inv_1", "amount": 1200}}}}'; echo
curl -sS $API/$ID/deliveries -H "x-api-key: $KEY"; echo
curl -sS -X POST $API/$ID/rotate-secret -H "x-api-key: $KEY"; echo
curl -sS -X PUT $API/$ID -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"active": false}}'; echo
curl -sS $API -H "x-api-key: $KEY"; echo
curl -sS -X DELETE $API/$ID -H "x-api-key: $KEY" -w '%{{http_code}}\n'

For the admin command and for functions in processes of their own:

export AWS_ENDPOINT_URL={aws} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export TABLE_NAME={table_name} SECRET_PREFIX={SECRET_PREFIX} QUEUE_URL={queue_url}

Ctrl-C stops it.{state}
"#,
        state = match data_dir {
            Some(dir) => format!(" The state stays in {}.", dir.display()),
            None => " The state is in memory and goes with it.".to_owned(),
        },
    );
}
