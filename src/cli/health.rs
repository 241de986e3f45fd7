//! `health`: for orchestrators that can only run a command.

use super::context::Context;
use super::outcome::{Failure, Outcome};
use super::print;
use clap::Args;
use serde_json::json;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take: that of a server whose database is gone takes up to five seconds.
const PATIENCE: Duration = Duration::from_secs(6);

/// No answer of the management listener to this question is longer.
const MAX_ANSWER: u64 = 64 << 10;

/// Ask the server on this machine whether it is ready: 0 if it is
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  grantor health --management-listen 127.0.0.1:9090")]
pub(super) struct Health {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Health {
    pub(super) async fn run(self, context: &Context) -> Outcome {
        let address = reachable(context.config.management_listen);
        let answer = match tokio::time::timeout(PATIENCE, ask(address)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("{address} does not answer: {error}")),
            Err(_) => Err(format!(
                "{address} did not answer within {} s",
                PATIENCE.as_secs()
            )),
        };
        let ready = matches!(answer, Ok(Answer { status: 200, .. }));
        let detail = match answer {
            Ok(Answer { status, body }) => format!("{status} {}", body.trim()),
            Err(reason) => reason,
        };
        if self.json {
            print::document(&json!({"ready": ready, "detail": detail.trim()}))?;
            return if ready { Ok(()) } else { Err(Failure::Found) };
        }
        if !ready {
            return Err(Failure::Refused(format!("not ready: {}", detail.trim())));
        }
        print::line("ready")?;
        Ok(())
    }
}

struct Answer {
    status: u16,
    body: String,
}

/// One request by hand: a client of HTTP that may reach loopback addresses is not to be had in this program.
async fn ask(address: SocketAddr) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut bytes).await?;
    parse(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Answer {
        status,
        body: body.to_owned(),
    })
}

/// Where a listener on every address is reached from this machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let address = match listener.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\ndatabase").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "database"));
        for bad in ["", "HTTP/1.1\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 2x0 \r\n\r\n"] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_asked_at_loopback() {
        assert_eq!(reachable("0.0.0.0:9".parse().unwrap()).to_string(), "127.0.0.1:9");
        assert_eq!(reachable("[::]:9".parse().unwrap()).to_string(), "[::1]:9");
        assert_eq!(reachable("10.0.0.1:9".parse().unwrap()).to_string(), "10.0.0.1:9");
    }
}
