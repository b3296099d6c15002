//! The receiver of deliveries. It runs as a separate process, so that its work is not
//! measured as the sender's.

use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::error::BoxError;

/// The hidden subcommand that runs [`serve`].
pub(crate) const SUBCOMMAND: &str = "receiver";

/// A receiver process. Dropping it ends the process.
pub(crate) struct Receiver {
    /// The receiver's URL, without a path.
    pub url: String,
    _process: Child,
}

impl Receiver {
    /// Starts a receiver. `/ok` responds with 200, `/after/20` with 200 after 20 ms, and
    /// `/fail` with 500.
    pub(crate) async fn start() -> Result<Self, BoxError> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(SUBCOMMAND)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no output")?;
        let url = BufReader::new(stdout).lines().next_line().await?;
        Ok(Self {
            url: url.ok_or("the receiver did not start")?,
            _process: process,
        })
    }
}

/// Runs the receiver in the current process, and prints its URL.
pub(crate) async fn serve() -> Result<(), BoxError> {
    let router = Router::new()
        .route("/ok", post(async || "ok"))
        .route(
            "/after/{millis}",
            post(async |Path(millis)| {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                "ok"
            }),
        )
        .route("/fail", post(async || StatusCode::INTERNAL_SERVER_ERROR));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
