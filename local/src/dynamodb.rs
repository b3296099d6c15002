//! The DynamoDB emulator, beside the others or in a process of its own.

use std::path::Path;

use dynoxide::Database;
use dynoxide::server::{serve_on, serve_with_shutdown};
use tokio::net::TcpListener;

use crate::emulators::EmulatorError;

/// Starts the emulator on a free port and returns its URL.
pub(crate) async fn start(data_dir: Option<&Path>) -> Result<String, EmulatorError> {
    let database = open(data_dir)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve_on(listener, database));
    Ok(url)
}

/// Serves the emulator alone, with its state in `data_dir`, until `stopped`. Every write
/// is in the file before it is answered, so a process that is killed loses none.
///
/// # Errors
/// If the state can't be read or the server fails.
pub async fn serve(
    listener: TcpListener,
    data_dir: &Path,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<(), EmulatorError> {
    let database = open(Some(data_dir))?;
    let served = serve_with_shutdown(listener, database, stopped).await;
    served.map_err(failed)
}

/// In memory, or with the state of an earlier run in `data_dir`.
fn open(data_dir: Option<&Path>) -> Result<Database, EmulatorError> {
    let database = match data_dir {
        None => Database::memory(),
        Some(dir) => {
            std::fs::create_dir_all(dir)?;
            Database::new(&dir.join("dynamodb.sqlite").to_string_lossy())
        }
    };
    database.map_err(|error| failed(error.to_string()))
}

fn failed(error: String) -> EmulatorError {
    EmulatorError::Emulator("DynamoDB", error)
}
