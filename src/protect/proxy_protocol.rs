//! The PROXY protocol, versions 1 and 2 (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>): a proxy that
//! forwards connections, not requests, says first whose connection it is.
//!
//! Read strictly: what deviates from the specification ends the connection, since nobody but the trusted proxy speaks here.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;
/// Longer headers of version 2 are refused; addresses take 36 bytes, the rest is extensions.
const MAX_BODY: usize = 2_048;

/// Reads the header, and not a byte more. Gives whose connection it is; `None` where it is the proxy's own (a health
/// check) or the proxy does not know.
///
/// # Errors
/// When there is no header, or none of this form.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut first = [0; SIGNATURE.len()];
    stream.read_exact(&mut first).await?;
    if first == *SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let [.., high, low] = head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_BODY {
            return Err(malformed());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        return version_2(head, &body).ok_or_else(malformed);
    }
    let mut line = first.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() >= MAX_LINE || !line.starts_with(b"PROXY ") {
            return Err(malformed());
        }
        line.push(stream.read_u8().await?);
    }
    version_1(&line).ok_or_else(malformed)
}

/// A line of version 1 with its end, `None` when it is none. Within, whose connection it is.
pub fn version_1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_prefix("PROXY ")?.strip_suffix("\r\n")?;
    if line.len() > MAX_LINE || text.contains(['\r', '\n']) {
        return None;
    }
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let words: Vec<&str> = text.split(' ').collect();
    let [family, source, destination, source_port, destination_port] = words.as_slice() else {
        return None;
    };
    let address = |text: &str| -> Option<IpAddr> {
        match *family {
            "TCP4" => Some(IpAddr::V4(text.parse().ok()?)),
            "TCP6" => Some(IpAddr::V6(text.parse().ok()?)),
            _ => None,
        }
    };
    address(destination)?;
    port(destination_port)?;
    Some(Some(SocketAddr::new(address(source)?, port(source_port)?)))
}

/// A header of version 2 behind its signature: version and command, family, and length; then so many bytes. `None` when
/// it is none; within, whose connection it is.
pub fn version_2(head: [u8; 4], body: &[u8]) -> Option<Option<SocketAddr>> {
    let [command, family, high, low] = head;
    if command >> 4 != 2 || body.len() != usize::from(u16::from_be_bytes([high, low])) {
        return None;
    }
    let (source, extensions) = match family {
        0x00 => (None, body),
        0x11 | 0x12 => {
            let (addresses, rest) = body.split_first_chunk::<12>()?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            let source = SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]));
            (Some(source), rest)
        }
        0x21 | 0x22 => {
            let (addresses, rest) = body.split_first_chunk::<36>()?;
            let (source, behind) = addresses.split_first_chunk::<16>()?;
            let port = behind.get(16..18)?.first_chunk::<2>()?;
            let source = SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes(*port));
            (Some(source), rest)
        }
        0x31 | 0x32 => (None, body.get(216..)?),
        _ => return None,
    };
    extensions_are_whole(extensions)?;
    match command & 0x0f {
        // LOCAL: the proxy's own connection, whatever addresses it carries.
        0 => Some(None),
        // PROXY; of datagrams there are none here.
        1 if family & 0x0f == 2 => None,
        1 => Some(source),
        _ => None,
    }
}

/// Whether the bytes are extensions, one behind the other, each with its length.
fn extensions_are_whole(mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let ([_, high, low], rest) = bytes.split_first_chunk::<3>()?;
        bytes = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..)?;
    }
    Some(())
}

/// Decimal, without leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let has_zeros = text.len() > 1 && text.starts_with('0');
    (is_decimal && !has_zeros).then(|| text.parse().ok())?
}

fn malformed() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "the connection does not begin with a PROXY header",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Option<Option<SocketAddr>> {
        Some(Some(text.parse().unwrap()))
    }

    #[test]
    fn version_1_is_read_to_the_letter() {
        let line = |text: &str| version_1(text.as_bytes());
        assert_eq!(
            line("PROXY TCP4 1.2.3.4 5.6.7.8 65535 443\r\n"),
            address("1.2.3.4:65535")
        );
        assert_eq!(
            line("PROXY TCP6 2001:db8::1 ::1 1 443\r\n"),
            address("[2001:db8::1]:1")
        );
        assert_eq!(line("PROXY UNKNOWN\r\n"), Some(None));
        assert_eq!(line("PROXY UNKNOWN ffff::1 ::1 1 2\r\n"), Some(None));
        for bad in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 65536 443\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 01 443\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 443\r\n",
            "PROXY TCP4 01.2.3.4 5.6.7.8 1 443\r\n",
            "PROXY TCP4 1.2.3.4  5.6.7.8 1 443\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 443 \r\n",
            "PROXY TCP4 ::1 ::1 1 443\r\n",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 443\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 443\n",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 443\r\n",
            "proxy TCP4 1.2.3.4 5.6.7.8 1 443\r\n",
            "PROXY UNKNOWN\r\n\r\n",
            "PROXY UNKNOWNS\r\n",
            "GET / HTTP/1.1\r\n",
            "",
        ] {
            assert_eq!(line(bad), None, "{bad:?}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        assert_eq!(line(&long), None);
    }

    #[test]
    fn version_2_is_read_to_the_letter() {
        let head = |command: u8, family: u8, length: usize| {
            let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
            [command, family, high, low]
        };
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 0x01, 0x02, 0x01, 0xbb];
        assert_eq!(version_2(head(0x21, 0x11, 12), &four), address("1.2.3.4:258"));
        assert_eq!(version_2(head(0x20, 0x11, 12), &four), Some(None), "LOCAL");
        assert_eq!(version_2(head(0x20, 0, 0), &[]), Some(None));
        assert_eq!(version_2(head(0x21, 0, 0), &[]), Some(None), "UNSPEC");
        let mut six = [0; 36];
        six[0] = 0x20;
        six[33] = 7;
        assert_eq!(version_2(head(0x21, 0x21, 36), &six), address("[2000::]:7"));
        let mut extended = four.to_vec();
        extended.extend([0x04, 0, 2, 9, 9]);
        assert_eq!(version_2(head(0x21, 0x11, 17), &extended), address("1.2.3.4:258"));
        let bad: &[(u8, u8, &[u8])] = &[
            (0x11, 0x11, &four),
            (0x22, 0x11, &four),
            (0x21, 0x12, &four),
            (0x21, 0x41, &four),
            (0x21, 0x13, &four),
            (0x21, 0x21, &four),
            (0x21, 0x11, &four[..11]),
            (0x21, 0x11, &extended[..16]),
        ];
        for (command, family, body) in bad {
            assert_eq!(
                version_2(head(*command, *family, body.len()), body),
                None,
                "{command:x} {family:x}"
            );
        }
        assert_eq!(version_2(head(0x21, 0x11, 13), &four), None, "another length");
    }

    #[tokio::test]
    async fn not_a_byte_more_is_read() {
        let mut bytes: &[u8] = b"PROXY TCP4 1.2.3.4 5.6.7.8 1 443\r\nGET / HTTP/1.1\r\n";
        assert_eq!(
            read(&mut bytes).await.unwrap(),
            Some("1.2.3.4:1".parse().unwrap())
        );
        assert_eq!(bytes, b"GET / HTTP/1.1\r\n");
        let mut whole = SIGNATURE.to_vec();
        whole.extend([0x21, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 1, 0xbb]);
        whole.extend(b"\x16\x03");
        let mut bytes = whole.as_slice();
        assert_eq!(
            read(&mut bytes).await.unwrap(),
            Some("1.2.3.4:1".parse().unwrap())
        );
        assert_eq!(bytes, b"\x16\x03");
        for bad in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"PROXY",
            b"",
            SIGNATURE,
        ] {
            let mut bytes = bad;
            assert!(read(&mut bytes).await.is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(line in ".{0,120}", head: [u8; 4], body in proptest::collection::vec(any::<u8>(), 0..300)) {
            version_1(line.as_bytes());
            version_1(format!("PROXY {line}\r\n").as_bytes());
            version_2(head, &body);
            let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
            version_2([head[0], head[1], high, low], &body);
        }

        #[test]
        fn what_a_proxy_writes_is_read(source: [u8; 16], port: u16) {
            let source = SocketAddr::new(Ipv6Addr::from(source).into(), port);
            let line = format!("PROXY TCP6 {} ::1 {port} 443\r\n", source.ip());
            prop_assert_eq!(version_1(line.as_bytes()), Some(Some(source)));
        }
    }
}
