//! `cargo run -p local`: the whole service in one process.
#![expect(clippy::print_stdout, reason = "prints a guide for the developer")]

mod branding;
mod delivery_options;
mod guide;
mod seed;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use branding::BrandingArguments;
use clap::Parser;
use delivery_options::DeliveryOptions;
use futures_util::future::try_join_all;
use guide::{Guide, Urls};
use local::catalogue;
use local::emulators::{Emulators, Servers};
use local::gateway;
use local::poller::Poller;
use local::receiver::Receiver;
use local::service::{self, Settings};
use seed::{portal, seed};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use webhook_endpoints::aws::queue::Queues;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::message::{Lane, Message};
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::telemetry;

type BoxError = Box<dyn Error + Send + Sync>;

/// Run the API, the delivery function, emulators of the AWS services and a sample
/// receiver in one process.
#[derive(Parser)]
#[command(name = "webhook-endpoints-local", version)]
struct Arguments {
    /// Port of the API. For each of the three ports, 0 means any free port.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the sample receiver.
    #[arg(long, default_value_t = 3001)]
    receiver_port: u16,
    /// Port of the AWS emulators, for AWS_ENDPOINT_URL.
    #[arg(long, default_value_t = 4566)]
    aws_port: u16,
    /// Use the emulators at this URL, such as another process of `--bin emulators`, instead of
    /// starting them in this process.
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    aws_url: Option<String>,
    /// Directory that keeps the state for the next run.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where new signing secrets are kept: PerEndpoint or Sealed.
    #[arg(long, env = "SECRET_STORAGE", default_value = "PerEndpoint", value_parser = secret_storage)]
    secret_storage: SecretStorage,
    #[command(flatten)]
    deliveries: DeliveryOptions,
    /// Minimum level to log: error, warn, info or debug.
    #[arg(long, default_value = "warn")]
    log_level: tracing::Level,
    #[command(flatten)]
    branding: BrandingArguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), BoxError> {
    telemetry::init(arguments.log_level);
    let settings = Settings {
        secret_storage: arguments.secret_storage,
        payload_format: arguments.deliveries.payload_format,
        webhook_headers: arguments.deliveries.webhook_headers()?,
        branding: arguments.branding.clone().into(),
        ..Settings::default()
    };
    // Bind all ports first, so that if one is in use, nothing has changed.
    let listeners = Listeners::bind(&arguments).await?;
    let urls = listeners.urls()?;

    let data_dir = arguments.data_dir.as_deref();
    let servers = Servers {
        dynamodb: arguments.aws_url.clone(),
        others: arguments.aws_url.clone(),
    };
    let emulators = Emulators::start_beside(servers, data_dir, |client| client).await?;
    let emulators = Arc::new(emulators);
    let clients = &emulators.clients;
    let resources = clients.create_resources("local", None).await?;
    let stores = service::stores(clients, &resources);
    let seed = seed(data_dir, &stores.table).await?;
    let portal = portal(&stores.table, seed.app_id, &urls.api).await?;
    catalogue::seed(&stores.table).await?;

    let sender = SenderOptions::new(settings.address_policy, Duration::from_secs(15));
    let deliverer = service::deliverer(clients, &resources, &settings, sender)?;
    let receiver = Receiver {
        app_id: seed.app_id,
        stores: stores.clone(),
        print: |line| println!("{line}"),
    };

    let (stop, stopping) = watch::channel(false);
    let servers = [
        serve(
            listeners.api,
            service::api(clients, &resources, &settings),
            &stopping,
        ),
        serve(
            listeners.aws,
            gateway::router(Arc::clone(&emulators)),
            &stopping,
        ),
        serve(listeners.receiver, receiver.router(), &stopping),
    ];
    let polling = [Lane::Fast, Lane::Slow].map(|lane| {
        let poller = Poller::new(lane, clients, &resources, Arc::clone(&deliverer));
        tokio::spawn(poller.run())
    });
    // Handle signals before the guide says how to send one. Until then, a signal kills the process.
    let stop_requested = stop_requested()?;
    let guide = Guide {
        urls: &urls,
        data_dir,
        seed: &seed,
        resources: &resources,
        secret_storage: settings.secret_storage,
        portal: &portal,
    };
    guide.print();

    work_until(stop_requested, &emulators, &stores.queues).await?;
    println!("\nStopping.");
    polling.iter().for_each(JoinHandle::abort);
    // Fails only if all servers have already stopped.
    let _ = stop.send(true);
    finish(servers).await?;
    emulators.save().await?;
    Ok(())
}

/// Saves the emulators' state every second, and sweeps on schedule, until `stop_requested`.
async fn work_until(
    stop_requested: impl Future<Output = ()>,
    emulators: &Emulators,
    queues: &Queues,
) -> Result<(), BoxError> {
    let mut stop_requested = pin!(stop_requested);
    let mut save = tokio::time::interval(Duration::from_secs(1));
    // In a deployment, the template's schedule rule sends this message.
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        // The future is pinned and polled by reference, so no branch cancels it: a signal that
        // arrives while another branch runs still ends the next iteration.
        tokio::select! {
            () = &mut stop_requested => return Ok(()),
            _ = save.tick() => emulators.save().await?,
            _ = sweep.tick() => queues.send(Lane::Fast, &Message::Sweep).await?,
        }
    }
}

/// Serves until `stopping` turns true.
fn serve(
    listener: TcpListener,
    router: Router,
    stopping: &watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let mut stopping = stopping.clone();
    let stopped = async move {
        // An error means that the sender was dropped: `run` returned. Stop then, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
    tokio::spawn(served.into_future())
}

fn secret_storage(text: &str) -> Result<SecretStorage, &'static str> {
    SecretStorage::parse(text).ok_or("must be PerEndpoint or Sealed")
}

/// How often a sweep enqueues the attempts that are due soon.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How long to wait for requests in progress at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Completes on Ctrl-C, or on SIGTERM from a process manager. Signals count from this call on, not
/// only once the future is polled.
fn stop_requested() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // If no handler can be installed, Ctrl-C ends the process without it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}

/// Waits for the servers to finish their requests, or until the timeout.
async fn finish(
    servers: impl IntoIterator<Item = JoinHandle<std::io::Result<()>>>,
) -> Result<(), BoxError> {
    if let Ok(served) = tokio::time::timeout(SHUTDOWN_TIMEOUT, try_join_all(servers)).await {
        served?.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(())
}

struct Listeners {
    api: TcpListener,
    receiver: TcpListener,
    aws: TcpListener,
}

impl Listeners {
    async fn bind(arguments: &Arguments) -> Result<Self, BoxError> {
        Ok(Self {
            api: bind(arguments.port, "--port").await?,
            receiver: bind(arguments.receiver_port, "--receiver-port").await?,
            aws: bind(arguments.aws_port, "--aws-port").await?,
        })
    }

    fn urls(&self) -> std::io::Result<Urls> {
        let url = |listener: &TcpListener| -> std::io::Result<String> {
            Ok(format!("http://{}", listener.local_addr()?))
        };
        Ok(Urls {
            api: url(&self.api)?,
            receiver: url(&self.receiver)?,
            aws: url(&self.aws)?,
        })
    }
}

async fn bind(port: u16, option: &str) -> Result<TcpListener, BoxError> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("port {port} is in use; choose another one with {option}").into()
            }
            _ => format!("cannot listen on port {port}: {error}").into(),
        })
}
