//! A TCP proxy in front of a database that can fail in the ways that networks fail.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It works.
    Fair,
    /// Every connection is closed, new ones at once.
    Cut,
    /// Everything arrives so much later.
    Slow(Duration),
    /// Connections stay, nothing arrives.
    Blackhole,
    /// The database hears everything, but its answers are lost: whether a commit was done is not known.
    Mute,
}

/// The proxy. It goes with the test.
pub struct Chaos {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
}

impl Chaos {
    /// A proxy in fair weather before the server of a database's URL.
    pub async fn before(url: &str) -> Self {
        let url: url::Url = url.parse().expect("a URL");
        let upstream = (
            url.host_str().expect("a host").to_owned(),
            url.port().unwrap_or(5432),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (weather, changes) = watch::channel(Weather::Fair);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.clone(), changes.clone()));
            }
        });
        Self { address, weather }
    }

    /// The URL with the proxy in the server's place.
    pub fn url(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().expect("a URL");
        url.set_ip_host(self.address.ip()).expect("a host can be set");
        url.set_port(Some(self.address.port()))
            .expect("a port can be set");
        url.into()
    }

    /// Changes the weather for connections that are there and those to come.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn carry(client: TcpStream, upstream: (String, u16), mut changes: watch::Receiver<Weather>) {
    if *changes.borrow() == Weather::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect((upstream.0.as_str(), upstream.1)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    tokio::select! {
        () = copy(client_read, server_write, changes.clone(), Weather::Blackhole) => {}
        () = copy(server_read, client_write, changes.clone(), Weather::Mute) => {}
        _ = changes.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

/// Carries one direction, which is lost in a black hole and in the weather `also_lost_in`.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut changes: watch::Receiver<Weather>,
    also_lost_in: Weather,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let weather = *changes.borrow();
        match weather {
            Weather::Slow(delay) => tokio::time::sleep(delay).await,
            // What is in the hole when the weather clears is lost, as it is in a network that was cut.
            lost if lost == Weather::Blackhole || lost == also_lost_in => {
                let _ = changes.wait_for(|weather| *weather != lost).await;
                return;
            }
            Weather::Fair | Weather::Cut | Weather::Blackhole | Weather::Mute => {}
        }
        let Some(bytes) = buffer.get(..count) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
