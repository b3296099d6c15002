//! What deliveries go to, in a process of its own: what it does is not the
//! sender's cost.

use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::stage::Fault;

/// Name of the hidden subcommand that is the receiver.
pub(crate) const SUBCOMMAND: &str = "receiver";

/// A receiver that runs until this is dropped.
pub(crate) struct Receiver {
    /// Its URL, without a path.
    pub url: String,
    _process: Child,
}

impl Receiver {
    /// Starts one. `/ok` answers 200, `/after/20` after 20 ms, `/fail` answers 500.
    pub(crate) async fn start() -> Result<Self, Fault> {
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

/// The process.
pub(crate) async fn serve() -> Result<(), Fault> {
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
