//! Another party's web server on loopback that is told things: a relying party's logout endpoint.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Answers with this status.
    Answers(u16),
    /// Hangs up without an answer.
    HangsUp,
    /// Never answers.
    Silent,
    /// Sends the caller elsewhere.
    Redirects,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method, path and query.
    pub target: String,
    /// Header lines, in lower case.
    pub headers: Vec<String>,
    /// The form.
    pub form: Vec<(String, String)>,
}

impl Received {
    /// A field of the form; it has to be there once.
    pub fn field(&self, name: &str) -> &str {
        let mut values = self.form.iter().filter(|(own, _)| own == name);
        let (_, value) = values.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(values.next().is_none(), "{name} comes twice");
        value
    }
}

/// A receiver that keeps what it was sent. It goes with the test.
#[derive(Clone)]
pub struct Receiver {
    /// Its base URL.
    pub base: String,
    shared: Arc<Mutex<(Mood, Vec<Received>)>>,
}

impl Receiver {
    /// One that answers 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = Self {
            base: format!("http://{}", listener.local_addr().expect("an address")),
            shared: Arc::new(Mutex::new((Mood::Answers(200), Vec::new()))),
        };
        let shared = receiver.shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        receiver
    }

    /// Behaves like this from now on.
    pub fn becomes(&self, mood: Mood) {
        self.shared.lock().expect("nobody panicked").0 = mood;
    }

    /// What it was sent, also what it did not answer.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().expect("nobody panicked").1.clone()
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Mutex<(Mood, Vec<Received>)>>) {
    let Some(received) = read(&mut stream).await else {
        return;
    };
    let mood = {
        let mut shared = shared.lock().expect("nobody panicked");
        shared.1.push(received);
        shared.0
    };
    let head = match mood {
        Mood::HangsUp => return,
        Mood::Silent => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        Mood::Redirects => "302 Found\r\nLocation: http://127.0.0.1:1/".to_owned(),
        Mood::Answers(status) => format!("{status} X"),
    };
    let text = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(text.as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        match bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end,
            None => match stream.read(&mut buffer).await {
                Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
                _ => return None,
            },
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let target = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines.map(str::to_ascii_lowercase).collect();
    let length: usize = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "))?
        .parse()
        .ok()?;
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => body.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    Some(Received {
        target,
        headers,
        form,
    })
}
