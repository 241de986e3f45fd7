//! Whose a connection is, when a proxy forwards connections instead of requests.

use super::Ground;

const ONE: &[(&str, &str)] = &[
    ("limits.standard.rate", "1"),
    ("proxy_protocol", "on"),
    ("trusted_proxies", "127.0.0.0/8"),
];
const REQUEST: &str = "GET /page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn version_1(address: &str) -> Vec<u8> {
    format!("PROXY TCP4 {address} 127.0.0.1 4711 443\r\n{REQUEST}").into_bytes()
}

fn version_2(command: u8, address: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, 0x11, 0, 12]);
    bytes.extend(address);
    bytes.extend([127, 0, 0, 1, 1, 2, 1, 0xbb]);
    bytes.extend(REQUEST.as_bytes());
    bytes
}

#[tokio::test]
async fn r_lim_32_a_trusted_proxy_says_whose_a_connection_is() {
    let ground = Ground::new(ONE).await;
    for (bytes, status) in [
        (version_1("9.9.9.1"), "200"),
        (version_1("9.9.9.1"), "429"),
        (version_1("9.9.9.2"), "200"),
        (version_2(0x21, [9, 9, 9, 2]), "429"),
        (version_2(0x21, [9, 9, 9, 3]), "200"),
        // Its own connections count as its own.
        (version_2(0x20, [9, 9, 9, 4]), "200"),
        (version_2(0x20, [9, 9, 9, 5]), "429"),
    ] {
        let answer = ground.exchange(&bytes).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{status}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_is_not_served() {
    let ground = Ground::new(ONE).await;
    for bytes in [
        REQUEST.as_bytes().to_vec(),
        version_1("9.9.9.999"),
        version_2(0x23, [9, 9, 9, 1]),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 and more than a line of version 1 may have, which is 107 bytes with its end\r\n".to_vec(),
    ] {
        assert_eq!(ground.exchange(&bytes).await, "");
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let settings = [("proxy_protocol", "on"), ("trusted_proxies", "10.0.0.0/8")];
    let ground = Ground::new(&settings).await;
    let answer = ground.exchange(&version_1("9.9.9.1")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = ground.exchange(REQUEST.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
