//! Another party's web server on loopback: a client's key server, a single-page app's host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server of fixed documents that keeps what it was asked for. It goes with the test.
#[derive(Clone)]
pub struct Peer {
    /// Its base URL.
    pub base: String,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    documents: HashMap<String, (String, String)>,
    asked: Vec<String>,
}

impl Peer {
    /// A server without documents.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let peer = Self {
            base,
            shared: Arc::default(),
        };
        let shared = peer.shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        peer
    }

    /// Serves a document at a path from now on.
    pub fn serve(&self, path: &str, content_type: &str, body: &str) {
        let mut shared = self.shared.lock().expect("nobody panicked");
        shared
            .documents
            .insert(path.to_owned(), (content_type.to_owned(), body.to_owned()));
    }

    /// The paths that it was asked for, with their queries, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shared.lock().expect("nobody panicked").asked.clone()
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let path = target.split('?').next().unwrap_or("/").to_owned();
    let found = {
        let mut shared = shared.lock().expect("nobody panicked");
        shared.asked.push(target);
        shared.documents.get(&path).cloned()
    };
    let (status, (content_type, body)) = match found {
        Some(document) => ("200 OK", document),
        None => ("404 Not Found", ("text/plain".to_owned(), String::new())),
    };
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(text.as_bytes()).await;
}
