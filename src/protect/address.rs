//! The client's address: the peer's, or what proxies say that are configured as trusted.

use actix_web::http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use ring::digest;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// So many hops are looked at; a longer chain is not walked to its end.
const MAX_HOPS: usize = 32;

static FORWARDED: HeaderName = HeaderName::from_static("forwarded");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Peers whose forwarding headers are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The networks of the setting `trusted_proxies`.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The address of the client behind a request.
    ///
    /// Each proxy appends the address of its own peer, so the list is walked from the right, and only as long as the hop
    /// that vouches for the next one is trusted: what a client writes itself stands further left. Where `Forwarded`
    /// (RFC 7239) and `X-Forwarded-For` are both there and lead to different addresses, one of them was not written by
    /// the proxy; then neither is believed and the proxy's own address counts.
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        if !self.trusts(peer) {
            return peer;
        }
        let forwarded = list(headers, &FORWARDED)
            .map(|elements| self.walk(peer, elements.iter().rev().map(|element| forwarded_for(element))));
        let x_forwarded_for = list(headers, &X_FORWARDED_FOR)
            .map(|elements| self.walk(peer, elements.iter().rev().map(|element| node(element))));
        match (forwarded, x_forwarded_for) {
            (Some(a), Some(b)) if a != b => peer,
            (Some(address), _) | (None, Some(address)) => address,
            (None, None) => peer,
        }
    }

    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.take(MAX_HOPS) {
            // An address that is hidden or no address at all: the proxy that says so is as far as we can see.
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Whether a peer is one of them.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What counts as one party: an IPv4 address, or the /64 that an IPv6 subscriber has at its disposal.
pub fn limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// What one holder may have at its disposal beyond a single subscription: an IPv4 address, or the /48 that an IPv6 site gets.
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// An address in one size, not to hide it. `kind` is what the address stands for.
pub fn hash(kind: &str, address: IpAddr) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(kind.as_bytes());
    context.update(&[0]);
    match address {
        IpAddr::V4(address) => context.update(&address.octets()),
        IpAddr::V6(address) => context.update(&address.octets()),
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The elements of a header that is a comma separated list, over all its lines; `None` where it is missing.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let mut elements = None;
    for value in headers.get_all(name) {
        let elements = elements.get_or_insert_with(Vec::new);
        match value.to_str() {
            Ok(text) => elements.extend(text.split(',').map(str::trim)),
            Err(_) => elements.push(""),
        }
    }
    elements
}

/// The `for` parameter of one element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| node(value.trim().trim_matches('"')))?
    })
}

/// An address, with or without port, IPv6 with or without brackets.
fn node(text: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !(port.is_empty() || is_port(port.strip_prefix(':')?)) {
            return None;
        }
        IpAddr::V6(address.parse().ok()?)
    } else if let Some((address, port)) = text.split_once(':').filter(|(_, port)| is_port(port)) {
        let _ = port;
        IpAddr::V4(address.parse().ok()?)
    } else {
        text.parse().ok()?
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn client(trusted: &[&str], peer: &str, lines: &[(&'static str, &str)]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|net| net.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 5000);
        proxies.client(Some(peer), &headers).to_string()
    }

    #[test]
    fn forwarding_headers_of_strangers_are_ignored() {
        for line in [("x-forwarded-for", "9.9.9.9"), ("forwarded", "for=9.9.9.9")] {
            assert_eq!(client(&[], "1.2.3.4", &[line]), "1.2.3.4");
            assert_eq!(client(&["10.0.0.0/8"], "1.2.3.4", &[line]), "1.2.3.4");
        }
    }

    #[test]
    fn the_chain_is_walked_from_the_right_while_hops_are_trusted() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        let table: &[(&[(&'static str, &str)], &str)] = &[
            (&[], "10.0.0.1"),
            (&[("x-forwarded-for", "9.9.9.9")], "9.9.9.9"),
            // What stands left of the first untrusted hop was written by it.
            (&[("x-forwarded-for", "6.6.6.6, 9.9.9.9")], "9.9.9.9"),
            (&[("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.7")], "9.9.9.9"),
            (
                &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "9.9.9.9")],
                "9.9.9.9",
            ),
            (&[("x-forwarded-for", "9.9.9.9:4711")], "9.9.9.9"),
            (&[("x-forwarded-for", "9.9.9.9, unknown")], "10.0.0.1"),
            (&[("x-forwarded-for", "10.0.0.9")], "10.0.0.9"),
            (&[("forwarded", "for=9.9.9.9;proto=https;by=10.0.0.1")], "9.9.9.9"),
            (&[("forwarded", "For=\"[2001:db8::7]:4711\"")], "2001:db8::7"),
            (
                &[("forwarded", "for=6.6.6.6, for=\"[fd00::1]\", for=_hidden")],
                "10.0.0.1",
            ),
            (&[("forwarded", "for=6.6.6.6, for=\"[fd00::1]\"")], "6.6.6.6"),
            (
                &[("forwarded", "for=9.9.9.9"), ("x-forwarded-for", "9.9.9.9")],
                "9.9.9.9",
            ),
            // A client that adds the header which its proxy does not write gains nothing.
            (
                &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "9.9.9.9")],
                "10.0.0.1",
            ),
            (&[("x-forwarded-for", "::ffff:9.9.9.9")], "9.9.9.9"),
            (&[("x-forwarded-for", "")], "10.0.0.1"),
        ];
        for (lines, expected) in table {
            assert_eq!(client(&trusted, "10.0.0.1", lines), *expected, "{lines:?}");
        }
        assert_eq!(
            client(&trusted, "::ffff:10.0.0.1", &[("x-forwarded-for", "9.9.9.9")]),
            "9.9.9.9"
        );
    }

    #[test]
    fn an_ipv6_subscriber_is_one_party() {
        let key = |text: &str| limit_key(text.parse().unwrap()).to_string();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:1.2.3.4"), "1.2.3.4");
        assert_ne!(key("1.2.3.4"), key("1.2.3.5"));
        let site = |text: &str| site(text.parse().unwrap()).to_string();
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:ffff::1"));
        assert_ne!(site("2001:db8:1::1"), site("2001:db8:2::1"));
        assert_eq!(site("::ffff:1.2.3.4"), "1.2.3.4");
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_walked_without_harm(text in "[ -~]{0,200}") {
            client(&["0.0.0.0/0"], "10.0.0.1", &[("x-forwarded-for", &text), ("forwarded", &text)]);
        }
    }
}
