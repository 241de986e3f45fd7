//! A closed-loop load generator: so many keep-alive connections, each sending its next request when the answer to the
//! last one is there. It reports what the server process spent per request, which is stable where throughput and latency
//! on a shared machine are not.
//!
//! Usage: load --url http://HOST:PORT/PATH --pid PID [--connections 16] [--seconds 10] [--header "Name: value"]…
//!             [--body FORM] [--label TEXT]

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Failure = Box<dyn Error + Send + Sync>;

/// Linux counts a process's CPU time in hundredths of a second, whatever the machine (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let plan = Plan::from_arguments(std::env::args().skip(1))?;
    // Connections, caches and the server's own start are not what is measured.
    plan.run(Duration::from_secs(2)).await?;
    let before = cpu_seconds(&plan.pid)?;
    let started = Instant::now();
    let mut latencies = plan.run(plan.duration).await?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&plan.pid)? - before;
    latencies.sort_unstable();
    let count = latencies.len();
    let percentile = |share: f64| latencies[((count - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{:<34} {:>7.3} ms CPU each  {:>7.0}/s  p50 {:>6.2} ms  p99 {:>6.2} ms  {:>6.1} MiB",
        plan.label,
        cpu * 1e3 / count as f64,
        count as f64 / elapsed,
        percentile(0.50),
        percentile(0.99),
        resident_mib(&plan.pid)?,
    );
    Ok(())
}

/// What to send, how often and to whom.
struct Plan {
    address: String,
    request: Vec<u8>,
    pid: String,
    connections: usize,
    duration: Duration,
    label: String,
}

impl Plan {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let (mut url, mut pid, mut label, mut body) = (String::new(), String::new(), String::new(), None);
        let (mut connections, mut seconds, mut headers) = (16, 10, String::new());
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            match name.as_str() {
                "--url" => url = value,
                "--pid" => pid = value,
                "--label" => label = value,
                "--body" => body = Some(value),
                "--connections" => connections = value.parse()?,
                "--seconds" => seconds = value.parse()?,
                "--header" => headers.push_str(&format!("{value}\r\n")),
                _ => return Err(format!("unknown argument {name}").into()),
            }
        }
        let rest = url.strip_prefix("http://").ok_or("--url starts with http://")?;
        let (address, path) = rest.split_once('/').ok_or("--url has a path")?;
        let request = match body {
            Some(body) => format!(
                "POST /{path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
            None => format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n"),
        };
        Ok(Self {
            address: address.to_owned(),
            request: request.into_bytes(),
            pid,
            connections,
            duration: Duration::from_secs(seconds),
            label,
        })
    }

    /// The time of every answer.
    async fn run(&self, duration: Duration) -> Result<Vec<Duration>, Failure> {
        let until = Instant::now() + duration;
        let connections = (0..self.connections).map(|_| self.connection(until));
        let mut all = Vec::new();
        for latencies in futures_util::future::join_all(connections).await {
            all.extend(latencies?);
        }
        if all.is_empty() {
            return Err("no answer came in time".into());
        }
        Ok(all)
    }

    async fn connection(&self, until: Instant) -> Result<Vec<Duration>, Failure> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let mut latencies = Vec::new();
        let mut buffer = Vec::with_capacity(8192);
        while Instant::now() < until {
            let sent = Instant::now();
            stream.write_all(&self.request).await?;
            read_answer(&mut stream, &mut buffer).await?;
            latencies.push(sent.elapsed());
        }
        Ok(latencies)
    }
}

/// Reads one answer with a `content-length`; anything but 200 ends the measurement, for it would measure refusals.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        if !text.starts_with("http/1.1 200") {
            return Err(format!("not 200: {}", String::from_utf8_lossy(buffer)).into());
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .ok_or("no content-length")?;
        if buffer.len() >= head + 4 + length.trim().parse::<usize>()? {
            return Ok(());
        }
    }
}

/// User and system time of a process so far.
fn cpu_seconds(pid: &str) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in parentheses and may hold blanks; utime and stime are the 12th and 13th fields after it.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .ok_or("an odd stat file")?
        .1
        .split_whitespace()
        .collect();
    let ticks =
        |index: usize| -> Result<f64, Failure> { Ok(fields.get(index).ok_or("a short stat file")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_mib(pid: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
