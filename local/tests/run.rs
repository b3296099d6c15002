//! Tests `cargo run -p local` as developers use it: starts the binary, follows its guide, stops it
//! and starts it again.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-local"));
    for option in ["--port", "--receiver-port", "--aws-port"] {
        command.args([option, "0"]);
    }
    command.kill_on_drop(true);
    command
}

/// A running service, its guide, and the variables that the guide exports.
struct Run {
    child: Child,
    guide: Vec<String>,
    api: String,
    key: String,
    platform_key: String,
}

impl Run {
    async fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut api, mut key, mut platform_key) = (None, None, None);
        let mut guide = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(value) = line.strip_prefix("export API=") {
                api = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("export KEY=") {
                key = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("export PLATFORM_KEY=") {
                platform_key = Some(value.to_owned());
            } else if line.starts_with("Ctrl-C stops it.") {
                break;
            }
            guide.push(line);
        }
        // Keep reading, so that the child never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            child,
            guide,
            api: api.unwrap(),
            key: key.unwrap(),
            platform_key: platform_key.unwrap(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = Client::new()
            .request(method, format!("{}{path}", self.api))
            .header("x-api-key", &self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    }

    /// Sends a test ping. Asserts that it arrives, with a valid signature.
    async fn must_ping(
        &self,
        id: &str,
        webhook: &Webhook,
        arrivals: &mut UnboundedReceiver<(HeaderMap, Bytes)>,
    ) {
        let path = format!("/{id}/test-ping");
        let ping = self.call(Method::POST, &path, None).await;
        assert_eq!(ping["status"], "DELIVERED");
        let (headers, body) = arrivals.recv().await.unwrap();
        webhook.verify(&body, &headers).unwrap();
    }

    /// Sends a signal and waits up to 10 s for the process to exit. Asserts that it logged nothing.
    async fn stop(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.await.unwrap().success());
        let ended = timeout(Duration::from_secs(10), self.child.wait()).await;
        let mut logged = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut logged).await.unwrap();
        assert_eq!(logged, "");
        ended.unwrap().unwrap()
    }
}

/// An empty directory. `name` must be unique per test.
fn data_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    dir
}

/// Starts a receiver. Returns its URL and a channel of the requests that arrive.
async fn receiver() -> (String, UnboundedReceiver<(HeaderMap, Bytes)>) {
    let (arrived, arrivals) = unbounded_channel();
    let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| async move {
        arrived.send((headers, body)).unwrap();
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, arrivals)
}

#[tokio::test]
async fn keys_endpoint_and_secret_survive_a_restart() {
    let dir = data_dir("restart");
    let (url, mut arrivals) = receiver().await;
    let run = Run::start(command().arg("--data-dir").arg(&dir)).await;
    let body = json!({ "url": url, "events": ["*"] });
    let created = run.call(Method::POST, "", Some(body)).await;
    let id = created["id"].as_str().unwrap();
    let keys = (run.key.clone(), run.platform_key.clone());
    assert!(run.stop("-TERM").await.success());

    let run = Run::start(command().arg("--data-dir").arg(&dir)).await;
    assert_eq!((run.key.clone(), run.platform_key.clone()), keys);
    let listed = run.call(Method::GET, "", None).await;
    assert_eq!(listed[0]["id"], id);
    let webhook = Webhook::new(created["secret"].as_str().unwrap()).unwrap();
    run.must_ping(id, &webhook, &mut arrivals).await;
    // `invoice.paid` is in the sample catalogue, with an example.
    let like = json!({"type": "invoice.paid"});
    let ping = run
        .call(Method::POST, &format!("/{id}/test-ping"), Some(like))
        .await;
    assert_eq!(ping["status"], "DELIVERED");
    let (headers, body) = arrivals.recv().await.unwrap();
    webhook.verify(&body, &headers).unwrap();
    assert_eq!(headers["webhook-test"], "true");
    assert!(run.stop("-INT").await.success());
}

#[tokio::test]
async fn guide_works_as_printed() {
    let run = Run::start(&mut command()).await;
    let commands = run.guide.iter().skip_while(|line| line.is_empty()).skip(1);
    let script: Vec<_> = commands
        .take_while(|line| !line.starts_with("For the admin command"))
        .map(String::as_str)
        .collect();
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script.join("\n")]);
    let output = shell.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // The ones not bound here are the responses of create, rotate, update and list.
    let [
        _,
        ping,
        published,
        history,
        event,
        delivery,
        _,
        _,
        _,
        deleted,
    ] = &answers[..]
    else {
        panic!("{shown}");
    };
    for answer in &answers[..answers.len() - 1] {
        assert_eq!(answer["success"], true, "{answer}");
    }
    assert_eq!(event["data"]["id"], published["data"]["id"]);
    assert_eq!(delivery["data"]["eventId"], published["data"]["id"]);
    assert_eq!(ping["data"]["status"], "DELIVERED");
    let items = history["data"]["items"].as_array().unwrap();
    let delivered: Vec<_> = items
        .iter()
        .map(|item| json!([item["event"], item["status"]]))
        .collect();
    let expected = [
        json!(["invoice.paid", "DELIVERED"]),
        json!(["test.ping", "DELIVERED"]),
    ];
    assert_eq!(delivered, expected);
    assert_eq!(*deleted, json!(204));
    assert!(run.stop("-TERM").await.success());
}

#[tokio::test]
async fn guide_links_to_the_portal_with_a_session() {
    let run = Run::start(&mut command()).await;
    let mut lines = run.guide.iter();
    let (base, link) = lines
        .find_map(|line| line.split_once("/portal/#app="))
        .unwrap();
    let (_, token) = link.split_once("&token=").unwrap();
    assert!(run.api.starts_with(base), "{base}");
    let request = Client::new().get(format!("{base}/key")).bearer_auth(token);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["kind"], "session");
    assert_eq!(answer["data"]["scope"], "manage");
    assert!(run.stop("-TERM").await.success());
}

#[tokio::test]
async fn open_connections_do_not_delay_shutdown() {
    let stops = async |signal| {
        let run = Run::start(&mut command()).await;
        let address = run.api.split('/').nth(2).unwrap();
        let mut used = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        used.write_all(request).await.unwrap();
        assert!(used.read(&mut [0; 1024]).await.unwrap() > 0);
        let mut unfinished = TcpStream::connect(address).await.unwrap();
        unfinished.write_all(&request[..20]).await.unwrap();
        assert!(run.stop(signal).await.success());
    };
    tokio::join!(stops("-INT"), stops("-TERM"));
}

#[tokio::test]
async fn port_conflict_error_names_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--receiver-port", "--aws-port"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-endpoints-local"));
        for each in ["--port", "--receiver-port", "--aws-port"] {
            command.args([each, if each == option { &port } else { "0" }]);
        }
        let output = command.output().await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let says = format!("error: port {port} is in use; choose another one with {option}\n");
        assert_eq!(stderr, says);
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn emulators_can_run_in_another_process() {
    let mut emulators = Command::new(env!("CARGO_BIN_EXE_emulators"))
        .args(["--port", "0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(emulators.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let aws = first.strip_prefix("AWS_ENDPOINT_URL=").unwrap();
    let (url, mut arrivals) = receiver().await;
    let run = Run::start(command().args(["--aws-url", aws])).await;
    let created = json!({ "url": url, "events": ["*"] });
    let created = run.call(Method::POST, "", Some(created)).await;
    let id = created["id"].as_str().unwrap();
    let webhook = Webhook::new(created["secret"].as_str().unwrap()).unwrap();
    run.must_ping(id, &webhook, &mut arrivals).await;
    assert!(run.stop("-TERM").await.success());
}
