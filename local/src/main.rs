//! `cargo run -p local`: the whole service in one process.
#![expect(clippy::print_stdout, reason = "prints a guide for the developer")]

mod delivery_options;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use delivery_options::DeliveryOptions;
use futures_util::future::try_join_all;
use local::catalogue;
use local::emulators::{Emulators, Resources};
use local::gateway;
use local::poller::Poller;
use local::receiver::Receiver;
use local::service::{self, SECRET_PREFIX, Settings};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::app::AppChange;
use webhook_endpoints::domain::branding::{Accent, Branding, FrameAncestors, Logo, Title};
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::message::{Lane, Message};
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::session::{NewSession, SessionScope, portal_link};
use webhook_endpoints::operator::sessions::{self, CreateSessionError};
use webhook_endpoints::telemetry;

type BoxError = Box<dyn Error + Send + Sync>;

/// Run the API, the delivery function, emulators of the AWS services and a sample
/// receiver in one process.
#[derive(Parser)]
#[command(name = "webhook-endpoints-local", version)]
struct Arguments {
    /// Port of the API. Use 0 for any free port; this applies to all three ports.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the sample receiver.
    #[arg(long, default_value_t = 3001)]
    receiver_port: u16,
    /// Port of the AWS emulators, to be used in AWS_ENDPOINT_URL.
    #[arg(long, default_value_t = 4566)]
    aws_port: u16,
    /// Directory in which to keep the state for the next run.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// How new signing secrets are kept: PerEndpoint or Sealed.
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

/// How the portal looks, by the same variables as in a function.
#[derive(clap::Args)]
struct BrandingArguments {
    /// The portal's title.
    #[arg(long, env = "PORTAL_TITLE")]
    portal_title: Option<Title>,
    /// The URL of the portal's logo.
    #[arg(long, env = "PORTAL_LOGO_URL")]
    portal_logo_url: Option<Logo>,
    /// The color of the portal's buttons and links, such as #3f51d6.
    #[arg(long, env = "PORTAL_ACCENT_COLOR")]
    portal_accent_color: Option<Accent>,
    /// The origins that may show the portal in a frame, separated by commas.
    #[arg(long, env = "PORTAL_FRAME_ANCESTORS")]
    portal_frame_ancestors: Option<FrameAncestors>,
}

impl From<BrandingArguments> for Branding {
    fn from(given: BrandingArguments) -> Self {
        Self {
            title: given.portal_title.unwrap_or_default(),
            logo: given.portal_logo_url.unwrap_or_default(),
            accent: given.portal_accent_color.unwrap_or_default(),
            frame_ancestors: given.portal_frame_ancestors.unwrap_or_default(),
        }
    }
}

/// The initial app. Saved as `app.json` in the data directory.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seed {
    app_id: AppId,
    api_key: String,
    /// Absent in files of earlier versions.
    #[serde(default)]
    platform_key: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is nothing left to do.
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
        branding: arguments.branding.into(),
        ..Settings::default()
    };
    // Bind all ports first, so that nothing has changed if one is in use.
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
            api_listener,
            service::api(clients, &resources, &settings),
            &stopping,
        ),
        serve(
            aws_listener,
            gateway::router(Arc::clone(&emulators)),
            &stopping,
        ),
        serve(receiver_listener, receiver.router(), &stopping),
    ];
    let polling = [Lane::Fast, Lane::Slow].map(|lane| {
        let poller = Poller::new(lane, clients, &resources, Arc::clone(&deliverer));
        tokio::spawn(poller.run())
    });
    // Before the guide says how to stop it: an earlier signal would kill the process.
    let mut stop_requested = pin!(stop_requested()?);
    let guide = Guide {
        urls: &urls,
        data_dir,
        seed: &seed,
        resources: &resources,
        secret_storage: settings.secret_storage,
        portal: &portal,
    };
    guide.print();

    let mut tick = tokio::time::interval(Duration::from_secs(1));
    // Replaces the schedule rule in the template.
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        tokio::select! {
            () = &mut stop_requested => break,
            _ = tick.tick() => emulators.save().await?,
            _ = sweep.tick() => stores.queues.send(Lane::Fast, &Message::Sweep).await?,
        }
    }
    println!("\nStopping.");
    polling.iter().for_each(JoinHandle::abort);
    // Fails only if all servers have already stopped.
    let _ = stop.send(true);
    // Exit even if requests are still in progress after the timeout.
    if let Ok(served) = tokio::time::timeout(SHUTDOWN_TIMEOUT, try_join_all(servers)).await {
        served?.into_iter().collect::<Result<(), _>>()?;
    }
    emulators.save().await?;
    Ok(())
}

/// Serves until it is told to stop.
fn serve(
    listener: TcpListener,
    router: Router,
    stopping: &watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let mut stopping = stopping.clone();
    let stopped = async move {
        // An error means that the sender was dropped. Stop in that case, too.
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

/// Ctrl-C, or SIGTERM from a process manager, from now on.
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
        // Without a handler, Ctrl-C ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
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

/// Loads the app and the keys of an earlier run from `data_dir`, and creates those that
/// are missing.
async fn seed(
    data_dir: Option<&Path>,
    table: &webhook_endpoints::aws::table::Table,
) -> Result<Seed, BoxError> {
    let file = data_dir.map(|dir| dir.join("app.json"));
    let mut seed = match file.as_deref().filter(|file| file.exists()) {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        None => {
            let (app_id, key) = (AppId::new(), service::new_key());
            service::seed_key(table, app_id, &key).await?;
            Seed {
                app_id,
                api_key: key.expose().to_owned(),
                platform_key: None,
            }
        }
    };
    if seed.platform_key.is_some() {
        return Ok(seed);
    }
    let key = service::new_platform_key();
    service::seed_platform_key(table, &key).await?;
    seed.platform_key = Some(key.expose().to_owned());
    if let Some(file) = file {
        std::fs::write(file, serde_json::to_vec_pretty(&seed)?)?;
    }
    Ok(seed)
}

/// A link that opens the customer portal for the initial app, for a week. Makes the app,
/// as sessions need.
async fn portal(
    table: &webhook_endpoints::aws::table::Table,
    app_id: AppId,
    api: &str,
) -> Result<String, BoxError> {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    let now = Clock::system().now();
    table.put_app(app_id, &AppChange::default(), now).await?;
    let new = NewSession {
        app_id,
        scope: SessionScope::Manage,
        endpoint: None,
        lifetime: WEEK,
    };
    match sessions::create(table, new, now).await {
        Ok((token, _)) => Ok(portal_link(api, app_id, &token)),
        // The developer deleted it, and may be using another one.
        Err(CreateSessionError::AppDeleting(_)) => Ok(format!("{api}/portal/")),
        Err(error) => Err(error.into()),
    }
}

struct Urls {
    api: String,
    receiver: String,
    aws: String,
}

fn url(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// What the guide tells.
struct Guide<'a> {
    urls: &'a Urls,
    data_dir: Option<&'a Path>,
    seed: &'a Seed,
    resources: &'a Resources,
    secret_storage: SecretStorage,
    portal: &'a str,
}

impl Guide<'_> {
    fn print(&self) {
        self.print_calls();
        self.print_rest();
    }

    /// Commands for a shell.
    fn print_calls(&self) {
        let Seed {
            app_id,
            api_key,
            platform_key,
        } = self.seed;
        let platform_key = platform_key.as_deref().unwrap_or_default();
        let Urls { api, receiver, .. } = self.urls;
        println!(
            r#"
webhook-endpoints is running. Paste these commands into another terminal:

export APP={api}/apps/{app_id}
export API={api}/apps/{app_id}/webhooks
export KEY={api_key}
export PLATFORM_KEY={platform_key}

CREATED=$(curl -sS $API -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"url": "{receiver}/hook", "events": ["invoice.*"]}}')
echo "$CREATED"
export ID=$(echo "$CREATED" | sed -E 's/.*"id":"([^"]+)".*/\1/')

curl -sS -X POST $API/$ID/test-ping -H "x-api-key: $KEY"; echo
PUBLISHED=$(curl -sS $APP/events -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"type": "invoice.paid", "data": {{"invoice": "inv_1", "amount": 1200}}}}')
echo "$PUBLISHED"
export EVENT=$(echo "$PUBLISHED" | sed -E 's/.*"id":"([^"]+)".*/\1/')
for _ in 1 2 3 4 5 6 7 8 9; do  # the event takes a moment to arrive
  HISTORY=$(curl -sS $API/$ID/deliveries -H "x-api-key: $KEY")
  case $HISTORY in *'"event":"invoice.paid","status":"DELIVERED"'*) break;; esac
  sleep 0.2
done
echo "$HISTORY"
export DELIVERY=$(echo "$HISTORY" | sed -E 's/.*"items":\[\{{"id":"([^"]+)".*/\1/')
curl -sS $APP/events/$EVENT -H "x-api-key: $KEY"; echo
curl -sS $API/$ID/deliveries/$DELIVERY -H "x-api-key: $KEY"; echo
curl -sS -X POST $API/$ID/rotate-secret -H "x-api-key: $KEY"; echo
curl -sS -X PUT $API/$ID -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"active": false}}'; echo
curl -sS $API -H "x-api-key: $KEY"; echo
curl -sS -X DELETE $API/$ID -H "x-api-key: $KEY" -w '%{{http_code}}\n'
"#
        );
    }

    fn print_rest(&self) {
        let Resources {
            table_name,
            queue_url,
            slow_queue_url,
            dead_letter_queue_url,
            ..
        } = self.resources;
        let (aws, portal) = (&self.urls.aws, self.portal);
        let storage = self.secret_storage.as_str();
        let state = match self.data_dir {
            Some(dir) => format!(" State is saved in {}.", dir.display()),
            None => " State is kept in memory and lost on exit.".to_owned(),
        };
        println!(
            r#"For the admin command, and for functions that run as separate processes:

export AWS_ENDPOINT_URL={aws} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export TABLE_NAME={table_name} SECRET_PREFIX={SECRET_PREFIX} QUEUE_URL={queue_url} SLOW_QUEUE_URL={slow_queue_url}
export DEAD_LETTER_QUEUE_URL={dead_letter_queue_url} SECRET_STORAGE={storage}

This link opens the customer portal as a user of the app would see it, for a week:

{portal}

Ctrl-C stops it.{state}
"#
        );
    }
}
