//! A connection, in clear or through TLS, with what actix leaves open around HTTP/1: the errors that it answers before a
//! request exists get our format, and the head of every request has to arrive in time, not only of the first.

use super::KEEP_ALIVE;
use crate::protect::{self, Edge};
use actix_web::http::StatusCode;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// So much of a head is kept, to answer in the right format when it cannot be read.
const KEPT: usize = 1024;
/// A head that is longer than this is not followed to its end: it is refused, or it is no head but what is left of a body,
/// which may come by the gigabyte.
const FOLLOWED: usize = 256 * 1024;
/// Longer than any answer of actix's own.
const BARE: usize = 256;

/// How an answer says that its connection ends.
const CLOSE: &[u8] = b"\r\nconnection: close\r\n";
/// How much longer than actix does it itself a connection is kept after an answer.
const LINGER: Duration = Duration::from_secs(10);

/// What bytes travel on.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that speaks HTTP/1 or HTTP/2.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// Nothing of this applies to HTTP/2.
    http1: Option<Http1>,
}

#[derive(Debug)]
struct Http1 {
    edge: Edge,
    peer: Option<SocketAddr>,
    head: Head,
    patience: Duration,
    /// Runs while a head has begun and is not over.
    timer: Option<Pin<Box<Sleep>>>,
    /// Runs from an answer until the next head begins.
    idle: Option<Pin<Box<Sleep>>>,
    /// Whether the last answer says that the connection ends with it.
    closing: bool,
    replacement: Option<Replacement>,
}

/// Our answer on its way out instead of one of actix's.
#[derive(Debug)]
struct Replacement {
    bytes: Vec<u8>,
    written: usize,
    /// The length of what it stands for.
    instead_of: usize,
}

impl Connection {
    pub(super) fn http1(stream: Stream, edge: Edge, peer: Option<SocketAddr>) -> Self {
        let patience = Duration::from_secs(edge.config().http.header_timeout_s);
        Self {
            stream,
            http1: Some(Http1 {
                edge,
                peer,
                head: Head::default(),
                patience,
                timer: None,
                idle: None,
                closing: false,
                replacement: None,
            }),
        }
    }

    pub(super) fn http2(stream: Stream) -> Self {
        Self { stream, http1: None }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = this.stream.poll_read(context, buf);
        let Some(http1) = &mut this.http1 else { return read };
        let bytes = buf.filled().get(before..).unwrap_or_default();
        http1.head.read(bytes);
        http1.watch(context)?;
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(http1) = &mut this.http1 else {
            return this.stream.poll_write(context, buf);
        };
        if http1.replacement.is_none() {
            http1.replacement = http1.replace(buf);
        }
        let Some(replacement) = &mut http1.replacement else {
            http1.written(buf);
            // Nobody may read again, so the timer has to be waited for from here.
            http1.watch_idle(context)?;
            return this.stream.poll_write(context, buf);
        };
        while let Some(rest) = replacement
            .bytes
            .get(replacement.written..)
            .filter(|rest| !rest.is_empty())
        {
            match ready!(this.stream.poll_write(context, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => replacement.written += written,
            }
        }
        let length = replacement.instead_of;
        http1.replacement = None;
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.http1.is_none() {
            return this.stream.poll_write_vectored(context, bufs);
        }
        let first = bufs
            .iter()
            .find(|buf| !buf.is_empty())
            .map_or(&[][..], |buf| &**buf);
        Pin::new(this).poll_write(context, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.http1.is_none() && self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream.poll_shutdown(context)
    }
}

impl Http1 {
    /// Gives up a connection whose head takes too long. The first head has actix's own timer, which answers; this one
    /// is a second later so as not to come first.
    fn watch(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.head.is_open() {
            self.timer = None;
            return self.watch_idle(context);
        }
        self.idle = None;
        let patience = self.patience + Duration::from_secs(1);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        match timer.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => {
                timer.as_mut().reset(Instant::now() + patience);
                Err(ErrorKind::TimedOut.into())
            }
        }
    }

    /// Notes what goes out: the connection has to go on, or end, in time after it.
    fn written(&mut self, buf: &[u8]) {
        self.head.written(buf);
        if !self.head.answered {
            return;
        }
        if buf.starts_with(b"HTTP/1.1 ") {
            let head = buf.get(..KEPT).unwrap_or(buf);
            self.closing = head.windows(CLOSE.len()).any(|window| window == CLOSE);
        }
        let patience = LINGER + if self.closing { Duration::ZERO } else { KEEP_ALIVE };
        let until = Instant::now() + patience;
        match &mut self.idle {
            Some(idle) => idle.as_mut().reset(until),
            None => self.idle = Some(Box::pin(sleep(patience))),
        }
    }

    /// Gives up a connection that neither goes on nor ends after an answer: actix waits without end for the rest of a body
    /// in which its reader is stuck.
    fn watch_idle(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.head.answered {
            self.idle = None;
        }
        match self.idle.as_mut().map(|idle| idle.as_mut().poll(context)) {
            Some(Poll::Ready(())) => {
                self.idle = None;
                Err(ErrorKind::TimedOut.into())
            }
            Some(Poll::Pending) | None => Ok(()),
        }
    }

    /// Our answer, if these bytes end with one of actix's own.
    fn replace(&self, buf: &[u8]) -> Option<Replacement> {
        let (begin, status) = bare_error(buf)?;
        let mut bytes = buf.get(..begin)?.to_vec();
        bytes.extend(protect::unread(
            &self.edge,
            self.peer,
            &self.head.kept,
            self.head.length,
            status,
        ));
        Some(Replacement {
            bytes,
            written: 0,
            instead_of: buf.len(),
        })
    }
}

/// Follows where the head of a request begins and ends.
#[derive(Debug)]
struct Head {
    kept: Vec<u8>,
    /// How many bytes have come since it began.
    length: usize,
    place: Place,
    /// Whether an answer was written since the head began, so that what comes next begins another one.
    answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing has come yet but empty lines.
    Before { begun: bool },
    /// Within the head; whether the present line is empty so far.
    Within { empty: bool },
    /// Behind it.
    Behind,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            length: 0,
            place: Place::Before { begun: false },
            answered: false,
        }
    }
}

impl Head {
    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.answered) {
            self.kept.clear();
            self.length = 0;
            self.place = Place::Before { begun: false };
        }
        self.length = self.length.saturating_add(bytes.len());
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if self.length > FOLLOWED {
            return;
        }
        for &byte in bytes {
            self.place = match (self.place, byte) {
                (Place::Behind, _) => break,
                (Place::Before { .. }, b'\r' | b'\n') => Place::Before { begun: true },
                (Place::Within { empty: true }, b'\n') => Place::Behind,
                (Place::Within { empty: false }, b'\n') => Place::Within { empty: true },
                (Place::Within { empty }, b'\r') => Place::Within { empty },
                _ => Place::Within { empty: false },
            };
        }
    }

    fn written(&mut self, bytes: &[u8]) {
        // An interim answer is not the answer.
        if !bytes.starts_with(b"HTTP/1.1 100 ") {
            self.answered = true;
        }
    }

    /// Whether a head has begun and is not over.
    fn is_open(&self) -> bool {
        !self.answered && matches!(self.place, Place::Before { begun: true } | Place::Within { .. })
    }
}

/// Where in a buffer an error of actix's own begins, and its status. Such an error is the last thing on a connection and
/// has no body and no header but these; every answer of ours has more.
fn bare_error(buf: &[u8]) -> Option<(usize, StatusCode)> {
    const START: &[u8] = b"HTTP/1.1 ";
    if !buf.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = buf.len().saturating_sub(BARE);
    let tail = buf.get(from..)?;
    let begin = tail.windows(START.len()).rposition(|window| window == START)?;
    let text = std::str::from_utf8(tail.get(begin..)?).ok()?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status = lines.next()?.get(START.len()..)?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let only_bare = lines.all(|line| {
        let name = line.split(':').next().unwrap_or("").to_ascii_lowercase();
        matches!(name.as_str(), "connection" | "date") || line.eq_ignore_ascii_case("content-length: 0")
    });
    only_bare.then_some((from + begin, status))
}

impl Stream {
    fn poll_read(&mut self, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buf),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, buf),
        }
    }

    fn poll_write_vectored(
        &mut self,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_actix_is_known_by_having_nothing_else() {
        let bare =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\
            date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
        assert_eq!(
            bare_error(bare),
            Some((0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
        );
        let mut behind = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
        behind.extend_from_slice(bare);
        assert_eq!(bare_error(&behind).unwrap().0, 40);
        for ours in [
            &b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-correlation-id: x\r\ndate: x\r\n\r\n"[..],
            b"HTTP/1.1 204 No Content\r\ndate: x\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nx",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"",
        ] {
            assert_eq!(bare_error(ours), None, "{}", String::from_utf8_lossy(ours));
        }
    }

    #[test]
    fn a_head_is_open_from_its_first_byte_to_the_empty_line() {
        let mut head = Head::default();
        assert!(!head.is_open());
        for bytes in [&b"\r\n"[..], b"GET / HT", b"TP/1.1\r", b"\nHost: x\r\n", b"\r"] {
            head.read(bytes);
            assert!(head.is_open(), "{}", String::from_utf8_lossy(bytes));
        }
        head.read(b"\nbody");
        assert!(!head.is_open());
        head.written(b"HTTP/1.1 100 Continue\r\n\r\n");
        head.read(b"more of the body");
        assert!(!head.is_open());
        head.written(b"HTTP/1.1 200 OK\r\n\r\n");
        assert!(!head.is_open());
        head.read(b"P");
        assert!(head.is_open(), "the next one has begun");
        assert_eq!(head.kept, b"P");
    }
}
