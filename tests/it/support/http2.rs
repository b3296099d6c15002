//! HTTP/2 receivers over TLS.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Response};
use axum::serve::Listener;
use h2::server::Builder;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::gauge::{Gauge, Open};
use super::tls::{Identity, TlsListener};

/// How a receiver misbehaves.
#[derive(Debug, Clone, Copy)]
pub enum Behaviour {
    /// Allows one stream at a time, and takes this long to respond.
    OneAtATime(Duration),
    /// Responds on the first stream, then sends a GOAWAY that leaves all others
    /// unprocessed. `streams` is the advertised limit of concurrent streams.
    GoesAway { streams: u32 },
    /// Refuses every stream but the first with `REFUSED_STREAM`.
    RefusesMore,
    /// Responds on the first stream, then closes the connection without a GOAWAY.
    HangsUp,
    /// Responds on the first stream, then stops reading and writing.
    FallsSilent,
    /// Never extends the flow control window, so a request stalls after the initial 64 KiB.
    TakesLittle,
    /// The same, but responds as soon as a request begins.
    AnswersEarly,
    /// Reads requests and responds to none.
    AnswersNothing,
    /// Sends the head of a response, then resets the stream.
    ResetsBody,
    /// Resets the stream with `INTERNAL_ERROR`.
    Fails,
    /// Responds with this many headers.
    Headers(usize),
}

/// Starts a receiver. Returns its URL.
pub async fn http2_receiver(identity: Identity, gauge: &Gauge, behaviour: Behaviour) -> String {
    let mut listener = TlsListener::bind_http2(identity).await;
    let address = listener.local_addr().expect("read the bound address");
    let gauge = gauge.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await;
            tokio::spawn(serve(stream, gauge.count(), behaviour));
        }
    });
    format!("https://{address}/hook")
}

/// Ignores errors, because clients may close a connection at any time.
async fn serve(stream: TlsStream<TcpStream>, open: Open, behaviour: Behaviour) {
    match behaviour {
        Behaviour::OneAtATime(pause) => {
            let _ = one_at_a_time(stream, pause).await;
        }
        Behaviour::AnswersNothing => {
            let _ = answering_nothing(stream).await;
        }
        Behaviour::Headers(count) => {
            let _ = with_headers(stream, count).await;
        }
        _ => {
            let _ = Frames(stream).run(behaviour).await;
        }
    }
    drop(open);
}

async fn one_at_a_time(stream: TlsStream<TcpStream>, pause: Duration) -> Result<(), h2::Error> {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(1);
    let mut connection = builder.handshake::<_, &[u8]>(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (_, mut respond) = accepted?;
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = respond.send_response(Response::new(()), true);
        });
    }
    Ok(())
}

async fn answering_nothing(stream: TlsStream<TcpStream>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    let mut open = Vec::new();
    while let Some(accepted) = connection.accept().await {
        let (mut request, respond) = accepted?;
        open.push(respond);
        tokio::spawn(async move {
            while let Some(Ok(chunk)) = request.body_mut().data().await {
                let window = request.body_mut().flow_control();
                let _ = window.release_capacity(chunk.len());
            }
        });
    }
    Ok(())
}

async fn with_headers(stream: TlsStream<TcpStream>, count: usize) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (_, mut respond) = accepted?;
        let mut response = Response::new(());
        for number in 0..count {
            let name = format!("x-header-{number}").parse::<HeaderName>();
            let value = HeaderValue::from_static("a value of some length");
            response
                .headers_mut()
                .insert(name.expect("name a header"), value);
        }
        respond.send_response(response, true)?;
    }
    Ok(())
}

/// A server that reads and writes single frames (RFC 9113, 4.1), because libraries do not
/// misbehave on demand.
struct Frames<S>(S);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// The flag 0x1: END_STREAM on `DATA` and `HEADERS`, ACK on `SETTINGS` and `PING`.
const FLAG: u8 = 1;
const END_HEADERS: u8 = 4;

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    async fn run(&mut self, behaviour: Behaviour) -> std::io::Result<()> {
        let mut preface = [0; 24];
        self.0.read_exact(&mut preface).await?;
        let settings = match behaviour {
            Behaviour::GoesAway { streams } => {
                // SETTINGS_MAX_CONCURRENT_STREAMS
                [&3_u16.to_be_bytes()[..], &streams.to_be_bytes()].concat()
            }
            _ => Vec::new(),
        };
        self.write(SETTINGS, 0, 0, &settings).await?;
        loop {
            let (kind, flags, stream, payload) = self.read().await?;
            match kind {
                SETTINGS if flags & FLAG == 0 => self.write(SETTINGS, FLAG, 0, &[]).await?,
                PING if flags & FLAG == 0 => self.write(PING, FLAG, 0, &payload).await?,
                DATA if flags & FLAG != 0 && matches!(behaviour, Behaviour::ResetsBody) => {
                    self.write(HEADERS, END_HEADERS, stream, &[0x88]).await?;
                    // INTERNAL_ERROR
                    let reason = 2_u32.to_be_bytes();
                    self.write(RST_STREAM, 0, stream, &reason).await?;
                }
                DATA if flags & FLAG != 0 && matches!(behaviour, Behaviour::Fails) => {
                    let reason = 2_u32.to_be_bytes();
                    self.write(RST_STREAM, 0, stream, &reason).await?;
                }
                DATA if flags & FLAG != 0 && stream == 1 => {
                    // 0x88 is `:status: 200` (RFC 7541, appendix A).
                    let flags = END_HEADERS | FLAG;
                    self.write(HEADERS, flags, stream, &[0x88]).await?;
                    match behaviour {
                        Behaviour::HangsUp => return Ok(()),
                        Behaviour::FallsSilent => std::future::pending().await,
                        Behaviour::GoesAway { .. } => {
                            // The last stream that was processed, and NO_ERROR.
                            let last = [1_u32, 0].map(u32::to_be_bytes).concat();
                            self.write(GOAWAY, 0, 0, &last).await?;
                        }
                        _ => {}
                    }
                }
                HEADERS if matches!(behaviour, Behaviour::AnswersEarly) => {
                    let flags = END_HEADERS | FLAG;
                    self.write(HEADERS, flags, stream, &[0x88]).await?;
                }
                HEADERS if stream != 1 && matches!(behaviour, Behaviour::RefusesMore) => {
                    // REFUSED_STREAM
                    let reason = 7_u32.to_be_bytes();
                    self.write(RST_STREAM, 0, stream, &reason).await?;
                }
                _ => {}
            }
        }
    }

    async fn read(&mut self) -> std::io::Result<(u8, u8, u32, Vec<u8>)> {
        // The length takes 24 bits and the type 8, so one big-endian u32 holds both.
        let length = self.0.read_u32().await?;
        let (length, kind) = (length >> 8, length.to_be_bytes()[3]);
        let flags = self.0.read_u8().await?;
        let stream = self.0.read_u32().await?;
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await?;
        Ok((kind, flags, stream, payload))
    }

    async fn write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).expect("convert the length");
        let head = (length << 8 | u32::from(kind)).to_be_bytes();
        let frame = [&head[..], &[flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).await?;
        self.0.flush().await
    }
}
