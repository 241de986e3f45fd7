//! Which addresses the server's own requests may reach.

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub(super) const NOT_PUBLIC: &str = "the target is not a public address, and outgoing.allow does not hold it";

/// What the guard says to a name that leads to no address that may be reached.
#[derive(Debug, thiserror::Error)]
#[error("{NOT_PUBLIC}")]
pub(super) struct NotPublic;

/// A resolver that gives only addresses that may be reached. reqwest connects to what it gives and looks nothing up
/// again, so a name that changes its mind (DNS rebinding) gains nothing.
pub(super) struct Guarded {
    pub(super) allow: Arc<[IpNet]>,
    pub(super) public_too: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow, public_too) = (self.allow.clone(), self.public_too);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One forbidden address condemns the name: it is not for us to choose the one that its owner did not mean.
            if found.is_empty() || !found.iter().all(|to| may_reach(to.ip(), &allow, public_too)) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

pub(super) fn may_reach(address: IpAddr, allow: &[IpNet], public_too: bool) -> bool {
    let address = address.to_canonical();
    allow.iter().any(|net| net.contains(&address)) || (public_too && is_public(address))
}

/// Whether an address is on the public internet (IANA special-purpose address registries, RFC 6890). IPv6 addresses that
/// carry an IPv4 address in them (NAT64, 6to4, Teredo) are not: they could lead anywhere.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global_unicast = (0x2000..=0x3fff).contains(&a);
    let special = match a {
        // IETF protocol assignments (with Teredo) and documentation.
        0x2001 => b < 0x0200 || b == 0x0db8,
        // 6to4.
        0x2002 => true,
        // Documentation.
        0x3fff => b < 0x1000,
        _ => false,
    };
    global_unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public_are_known() {
        for bad in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "100::1",
            "3fff::1",
        ] {
            assert!(!is_public(bad.parse().unwrap()), "{bad}");
        }
        for good in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(good.parse().unwrap()), "{good}");
        }
        assert!(
            !may_reach("::ffff:127.0.0.1".parse().unwrap(), &[], true),
            "an IPv4 address in disguise"
        );
        assert!(may_reach(
            "::ffff:127.0.0.1".parse().unwrap(),
            &["127.0.0.0/8".parse().unwrap()],
            false
        ));
    }
}
