//! Runs a function's binary under AWS's Runtime Interface Emulator.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::error::BoxError;

/// Paths of the binaries.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Binaries {
    /// The Runtime Interface Emulator, which is part of the SAM CLI.
    #[arg(long)]
    pub runtime_emulator: PathBuf,
    /// Directory with `api`, `deliver` and `hello`.
    #[arg(long)]
    pub functions: PathBuf,
}

/// One instance of a function. Dropping it ends the process.
pub(crate) struct Function {
    url: String,
    client: Client,
    folder: PathBuf,
    process: Child,
}

impl Function {
    /// Starts the emulator, which starts the binary at the first invocation.
    pub(crate) async fn start(
        binaries: &Binaries,
        name: &str,
        variables: &[(&str, String)],
    ) -> Result<Self, BoxError> {
        let (port, runtime_port) = (free_port().await?, free_port().await?);
        let folder = std::env::temp_dir().join(format!("{name}-{port}"));
        fs::create_dir(&folder)?;
        let binary = fs::canonicalize(binaries.functions.join(name))?;
        std::os::unix::fs::symlink(binary, folder.join("bootstrap"))?;
        let log = File::create(folder.join("log"))?;
        let process = Command::new(&binaries.runtime_emulator)
            .arg("--runtime-interface-emulator-address")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--runtime-api-address")
            .arg(format!("127.0.0.1:{runtime_port}"))
            .args(["--log-level", "info", "./bootstrap"])
            .current_dir(&folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let function = Self {
            url: format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"),
            client: Client::builder().no_proxy().build()?,
            folder,
            process,
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() > deadline {
                return Err(format!("{name} did not start").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(function)
    }

    /// Invokes the function and returns its response.
    pub(crate) async fn invoke(&self, event: &str) -> Result<String, BoxError> {
        let request = self.client.post(&self.url).body(event.to_owned());
        let answer = request.send().await?.text().await?;
        if answer.contains("errorType") {
            return Err(format!("{answer}\n{}", self.log()).into());
        }
        Ok(answer)
    }

    /// Milliseconds from the start of the binary until it first waits for an event, as
    /// logged by the emulator.
    pub(crate) fn init_time(&self) -> Option<f64> {
        let log = self.log();
        let (_, rest) = log.split_once("INIT REPORT(durationMs: ")?;
        rest.split_once(')')?.0.parse().ok()
    }

    /// Peak resident memory of the binary, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64, BoxError> {
        let emulator = self.process.id().ok_or("the function has ended")?;
        let children = format!("/proc/{emulator}/task");
        for task in fs::read_dir(children)? {
            let children = fs::read_to_string(task?.path().join("children"))?;
            if let Some(child) = children.split_whitespace().next() {
                let status = fs::read_to_string(format!("/proc/{child}/status"))?;
                let line = status.lines().find(|line| line.starts_with("VmHWM:"));
                let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
                return Ok(kilobytes.ok_or("no VmHWM")?.parse::<u64>()? * 1024);
            }
        }
        Err("the emulator has no child".into())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // On failure, the files stay in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Size of a binary, in bytes.
pub(crate) fn size(binaries: &Binaries, name: &str) -> Result<u64, BoxError> {
    let path: &Path = &binaries.functions;
    Ok(fs::metadata(path.join(name))?.len())
}

async fn free_port() -> Result<u16, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.port())
}
