//! The outcome of an attempt for everything that a receiver may do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use webhook_endpoints::domain::failure::Failure;

use crate::support::asserts::{
    assert_answered, assert_failed, assert_redirected, ping_and_history, ping_url,
};
use crate::support::receiver::{
    Receiver, blunt_receiver, endless_receiver, raw_receiver, silent_receiver,
};
use crate::support::{Options, TestApp};

#[tokio::test]
async fn only_2xx_statuses_are_successes() {
    let app = TestApp::start().await;
    for status in [200, 201, 202, 299, 300, 400, 404, 410, 429, 500, 503, 599] {
        let receiver = Receiver::answering(status, "body").await;
        assert_answered(&ping_url(&app, &receiver.url).await, status, "body");
        receiver.must_receive_one();
    }
}

#[tokio::test]
async fn empty_responses_are_empty_text() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(204, "").await;
    assert_answered(&ping_url(&app, &receiver.url).await, 204, "");
}

#[tokio::test]
async fn redirects_fail_and_are_not_followed() {
    let app = TestApp::start().await;
    let target = Receiver::answering(200, "").await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}?token=secret", target.url);
        let receiver = Receiver::responding(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("location", location.clone())], "moved").into_response()
        })
        .await;
        let ping = ping_url(&app, &receiver.url).await;
        assert_redirected(&ping, status, &target.url);
        receiver.must_receive_one();
    }
    assert_eq!(target.received().len(), 0);
}

#[tokio::test]
async fn redirects_without_a_usable_location_name_no_target() {
    let app = TestApp::start().await;
    for answer in [
        b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".as_slice(),
        b"HTTP/1.1 302 Found\r\nlocation: javascript:alert()\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (url, _) = blunt_receiver(answer).await;
        let ping = ping_url(&app, &url).await;
        assert_eq!(ping["statusCode"], 302);
        assert_eq!(ping["error"], "redirects are not followed");
    }
}

#[tokio::test]
async fn first_1000_characters_of_a_response_are_kept() {
    let app = TestApp::start().await;
    for (sent, kept) in [
        ("a".repeat(1000), "a".repeat(1000)),
        ("a".repeat(1001), "a".repeat(1000)),
        ("é".repeat(1500), "é".repeat(1000)),
        ("🦀".repeat(1001), "🦀".repeat(1000)),
        // The limit falls inside a character of four bytes.
        (
            format!("a{}", "🦀".repeat(1000)),
            format!("a{}", "🦀".repeat(999)),
        ),
        // More than the service reads.
        ("é".repeat(200_000), "é".repeat(1000)),
    ] {
        let receiver = Receiver::responding(move |_| sent.clone().into_response()).await;
        assert_answered(&ping_url(&app, &receiver.url).await, 200, &kept);
    }
}

#[tokio::test]
async fn invalid_utf8_in_a_response_is_replaced() {
    let app = TestApp::start().await;
    for (sent, kept) in [
        (b"a\xffb".as_slice(), "a\u{fffd}b".to_owned()),
        // Ends in the middle of a character.
        (b"ok \xf0\x9f\xa6", "ok \u{fffd}".to_owned()),
        (b"nul \0 stays", "nul \0 stays".to_owned()),
        (&[0xff; 2000], "\u{fffd}".repeat(1000)),
    ] {
        let receiver = Receiver::responding(move |_| sent.into_response()).await;
        assert_answered(&ping_url(&app, &receiver.url).await, 200, &kept);
    }
}

#[tokio::test]
async fn endless_responses_are_cut_off_and_disconnected() {
    let app = TestApp::start().await;
    let (url, closed) = endless_receiver().await;
    assert_answered(&ping_url(&app, &url).await, 200, &"x".repeat(1000));
    tokio::time::timeout(Duration::from_secs(30), closed)
        .await
        .expect("see the connection closed")
        .unwrap();
}

#[tokio::test]
async fn interim_responses_are_skipped() {
    let app = TestApp::start().await;
    let (url, _) = blunt_receiver(
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    assert_answered(&ping_url(&app, &url).await, 200, "ok");
}

#[tokio::test]
async fn dripping_headers_time_out() {
    let app = TestApp::start_with(Options::impatient()).await;
    let url = raw_receiver(|mut stream| async move {
        let mut writing = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while writing.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            writing = stream.write_all(b"x: y\r\n").await;
        }
    })
    .await;
    assert_failed(&ping_url(&app, &url).await, Failure::HeadTimeout);
}

#[tokio::test]
async fn status_line_decides_despite_endless_headers() {
    let app = TestApp::start().await;
    for (begin, status) in [("200 OK", Some(200)), ("103 Early Hints", None)] {
        let url = raw_receiver(move |mut stream| async move {
            let begin = format!("HTTP/1.1 {begin}\r\n");
            let mut writing = stream.write_all(begin.as_bytes()).await;
            while writing.is_ok() {
                writing = stream.write_all(b"x: y\r\n").await;
            }
        })
        .await;
        let ping = ping_url(&app, &url).await;
        match status {
            Some(status) => assert_answered(&ping, status, ""),
            None => assert_failed(&ping, Failure::HeadTooLarge),
        }
    }
}

#[tokio::test]
async fn silent_receivers_time_out() {
    let app = TestApp::start_with(Options::impatient()).await;
    let url = silent_receiver().await;
    assert_failed(&ping_url(&app, &url).await, Failure::ResponseTimeout);
}

#[tokio::test]
async fn closed_ports_refuse_connections() {
    let app = TestApp::start().await;
    // Bound but not listening: connections are refused, and nobody else gets
    // the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    assert_failed(&ping_url(&app, &url).await, Failure::ConnectionRefused);
}

/// The backlog of a listener that accepts nothing is full after one or two connections, and
/// Linux stops answering.
#[tokio::test]
async fn unanswered_connections_time_out() {
    let app = TestApp::start_with(Options::impatient()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Duration::from_millis(200);
    let mut open = Vec::new();
    while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        open.push(stream);
    }
    let ping = ping_url(&app, &format!("http://{address}/")).await;
    assert_failed(&ping, Failure::ConnectTimeout);
}

#[tokio::test]
async fn incomplete_heads_are_not_responses() {
    let app = TestApp::start().await;
    for (answer, failure) in [
        (b"".as_slice(), Failure::Closed),
        (b"HTTP/1.1 20", Failure::ClosedInHead),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n",
            Failure::ClosedInHead,
        ),
    ] {
        let (url, connections) = blunt_receiver(answer).await;
        assert_failed(&ping_url(&app, &url).await, failure);
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn responses_without_a_status_are_not_http() {
    let app = TestApp::start().await;
    for answer in [
        b"220 mail.example.com ESMTP\r\n".as_slice(),
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"<html>hello</html>",
        // The preface of an HTTP/2 server.
        b"\0\0\0\x04\0\0\0\0\0",
    ] {
        let (url, _) = blunt_receiver(answer).await;
        assert_failed(&ping_url(&app, &url).await, Failure::NotHttp);
    }
}

#[tokio::test]
async fn failures_affect_only_their_own_ping() {
    let app = TestApp::start_with(Options::impatient()).await;
    let receiver = Receiver::answering(200, "").await;
    let silent = silent_receiver().await;
    let (failing, _) = app.api.create_webhook(&silent).await;
    let (working, _) = app.api.create_webhook(&receiver.url).await;
    let (failed, answered) = tokio::join!(
        ping_and_history(&app, &failing),
        ping_and_history(&app, &working)
    );
    assert_failed(&failed, Failure::ResponseTimeout);
    assert_answered(&answered, 200, "");
}
