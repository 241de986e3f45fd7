//! HTTP/2 by hand, frame by frame: what its own attacks do to the server (RFC 9113).

use super::Ground;
use super::tls::{TLS13, certificate, connect, ground};
use crate::support::db::new_folder;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A server with TLS and a connection to it that speaks HTTP/2.
struct Spoken {
    ground: Ground,
    roots: rustls::RootCertStore,
    folder: PathBuf,
    stream: TlsStream<TcpStream>,
}

/// A frame that was read.
struct Frame {
    kind: u8,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The header block of `GET path` (RFC 7541: the static table, and literals that are not indexed).
fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 9]);
    block.extend(b"localhost");
    block
}

impl Spoken {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let folder = new_folder();
        let roots = certificate(&folder);
        let ground = ground(&folder, settings).await;
        let stream = Self::open(&ground, &roots).await;
        Self {
            ground,
            roots,
            folder,
            stream,
        }
    }

    async fn open(ground: &Ground, roots: &rustls::RootCertStore) -> TlsStream<TcpStream> {
        let mut stream = connect(ground, roots.clone(), &[TLS13], &["h2"]).await.unwrap();
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &[]));
        stream.write_all(&hello).await.unwrap();
        stream
    }

    /// What the server sends until it closes the connection or is silent for a while.
    async fn read(&mut self, silence: Duration) -> (Vec<Frame>, bool) {
        let mut frames = Vec::new();
        loop {
            let mut head = [0; 9];
            match tokio::time::timeout(silence, self.stream.read_exact(&mut head)).await {
                Err(_) => return (frames, false),
                Ok(Err(_)) => return (frames, true),
                Ok(Ok(_)) => {}
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if self.stream.read_exact(&mut payload).await.is_err() {
                return (frames, true);
            }
            frames.push(Frame { kind: head[3] });
        }
    }

    /// Others are served, and nothing is left over.
    async fn lives(&self) {
        let mut other = Self::open(&self.ground, &self.roots).await;
        other
            .write_all(&frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &get("/.well-known/document"),
            ))
            .await
            .unwrap();
        let mut buffer = vec![0; 4096];
        let count = tokio::time::timeout(Duration::from_secs(10), other.read(&mut buffer)).await;
        assert!(count.expect("an answer in time").unwrap() > 0);
        let management = self.ground.management();
        for _ in 0..500 {
            let numbers = management.get("/metrics").send().await.text();
            if numbers.contains("grantor_http_requests_working 0\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("requests are being worked on that nobody waits for");
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// CVE-2023-44487: streams that are opened and reset at once cost the sender nothing.
#[tokio::test]
async fn streams_that_are_reset_at_once_are_no_way_round_the_limits() {
    let mut spoken = Spoken::new(&[
        ("limits.standard.rate", "100"),
        ("limits.standard.period_seconds", "600"),
    ])
    .await;
    let mut sent = Vec::new();
    for n in 0..5000_u32 {
        let stream = 2 * n + 1;
        sent.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &get("/slow")));
        sent.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // The server may close the connection before it has all of it.
    let _ = spoken.stream.write_all(&sent).await;
    spoken.read(Duration::from_secs(1)).await;
    spoken.lives().await;
    let numbers = spoken.ground.management().get("/metrics").send().await.text();
    let served = numbers
        .lines()
        .filter(|line| line.starts_with("grantor_http_requests_total{") && line.contains("\"/slow\""))
        .filter(|line| line.contains("2xx"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok())
        .sum::<u32>();
    assert!(served <= 100, "{served} were served");
}

/// CVE-2024-27316: a head that goes on and on in further frames.
#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let mut spoken = Spoken::new(&[]).await;
    let mut first = get("/page");
    first.extend([0x00, 1, b'x', 1, b'y']);
    spoken
        .stream
        .write_all(&frame(HEADERS, END_STREAM, 1, &first))
        .await
        .unwrap();
    // 16 KiB of small literal headers in each frame; 64 MiB in all.
    let block: Vec<u8> = [0x00, 1, b'x', 1, b'y'].repeat(3276);
    let more = frame(CONTINUATION, 0, 1, &block);
    let mut sent = 0_usize;
    for _ in 0..4096 {
        let writing = tokio::time::timeout(Duration::from_secs(10), spoken.stream.write_all(&more)).await;
        if !matches!(writing, Ok(Ok(()))) {
            break;
        }
        sent += more.len();
    }
    assert!(sent < 32 << 20, "{sent} bytes of a head were taken");
    spoken.lives().await;
}

/// As many streams as a client likes: each is a request and is counted as one.
#[tokio::test]
async fn many_streams_at_once_are_answered_or_refused() {
    let mut spoken = Spoken::new(&[("limits.standard.rate", "1000000")]).await;
    let mut sent = Vec::new();
    for n in 0..500_u32 {
        sent.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &get("/page")));
    }
    spoken.stream.write_all(&sent).await.unwrap();
    let (frames, _) = spoken.read(Duration::from_secs(2)).await;
    let answered = frames.iter().filter(|frame| frame.kind == HEADERS).count();
    let reset = frames.iter().filter(|frame| frame.kind == RST_STREAM).count();
    assert!(answered + reset >= 400, "{answered} answered, {reset} reset");
    spoken.lives().await;
}

/// What nobody needs an answer for is not answered without end: the connection is closed, or the frames are worth nothing.
#[tokio::test]
async fn floods_of_settings_and_pings_end_the_connection_or_cost_nothing() {
    let mut spoken = Spoken::new(&[]).await;
    let mut sent = Vec::new();
    for n in 0..20_000_u64 {
        sent.extend(frame(SETTINGS, 0, 0, &[]));
        sent.extend(frame(PING, 0, 0, &n.to_be_bytes()));
    }
    // Nothing is read meanwhile: answers pile up at the server, or it stops reading.
    let _ = tokio::time::timeout(Duration::from_secs(5), spoken.stream.write_all(&sent)).await;
    spoken.lives().await;
}

/// RFC 9113 §5.4.1: what breaks the rules ends the connection with GOAWAY.
#[tokio::test]
async fn what_is_no_http_2_ends_the_connection() {
    for wrong in [
        // A head on stream 0, an even stream, a continuation of nothing, a frame that is too large, junk.
        frame(HEADERS, END_STREAM | END_HEADERS, 0, &get("/page")),
        frame(HEADERS, END_STREAM | END_HEADERS, 2, &get("/page")),
        frame(CONTINUATION, END_HEADERS, 1, &get("/page")),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &vec![0; 70_000]),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 64]),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10),
    ] {
        let mut spoken = Spoken::new(&[]).await;
        let _ = spoken.stream.write_all(&wrong).await;
        let (frames, closed) = spoken.read(Duration::from_secs(5)).await;
        let goaway = frames.iter().any(|frame| frame.kind == GOAWAY);
        assert!(goaway || closed, "{:?}", wrong.get(..16));
        let served = frames.iter().any(|frame| frame.kind == HEADERS);
        assert!(!served, "nothing is answered");
        spoken.lives().await;
    }
}
