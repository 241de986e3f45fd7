//! TLS of the server's own.

use super::Ground;
use crate::support::db::new_folder;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Writes a new certificate for `localhost` and its key; gives what to trust.
pub(super) fn certificate(folder: &Path) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

pub(super) async fn ground(folder: &Path, more: &[(&str, &str)]) -> Ground {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let mut settings = vec![
        ("issuer", "https://localhost"),
        ("tls_cert", cert.as_str()),
        ("tls_key", key.as_str()),
    ];
    settings.extend_from_slice(more);
    Ground::new(&settings).await
}

pub(super) async fn connect(
    ground: &Ground,
    roots: RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, ground.connect().await)
        .await
}

const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
pub(super) const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

#[tokio::test]
async fn both_versions_are_served_over_http_1_1() {
    let folder = new_folder();
    let roots = certificate(&folder);
    let ground = ground(&folder, &[]).await;
    for (version, expected) in [
        (TLS12, ProtocolVersion::TLSv1_2),
        (TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut stream = connect(&ground, roots.clone(), &[version], &["http/1.1"])
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        let request = "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer
                .to_ascii_lowercase()
                .contains("strict-transport-security: max-age="),
            "{answer}"
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn http_2_is_chosen_by_alpn_and_has_the_same_layers() {
    let folder = new_folder();
    let roots = certificate(&folder);
    let ground = ground(&folder, &[]).await;
    let stream = connect(&ground, roots, &[TLS13], &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    drop(stream);
    #[expect(
        clippy::disallowed_methods,
        reason = "tests talk to servers on loopback, which Outgoing refuses"
    )]
    let client = reqwest::Client::builder()
        .tls_certs_only([
            reqwest::Certificate::from_pem(&std::fs::read(folder.join("cert.pem")).unwrap()).unwrap(),
        ])
        .resolve("localhost", ground.running.address)
        .no_proxy()
        .build()
        .unwrap();
    let base = format!("https://localhost:{}", ground.running.address.port());
    let answer = client.get(format!("{base}/page")).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.headers().contains_key("x-correlation-id"));
    let mut request = client.get(format!("{base}/oauth2/x"));
    for n in 0..150 {
        request = request.header(format!("x-{n}"), "x");
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 431);
    assert_eq!(answer.headers()["content-type"], "application/json");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn tls_1_2_can_be_refused() {
    let folder = new_folder();
    let roots = certificate(&folder);
    let ground = ground(&folder, &[("tls.min", "1.3")]).await;
    assert!(connect(&ground, roots.clone(), &[TLS12], &[]).await.is_err());
    connect(&ground, roots, &[TLS13], &[]).await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_certificate_is_read_again_when_its_files_change() {
    let folder = new_folder();
    certificate(&folder);
    let files = grantor::config::TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    let certificates = grantor::server::Certificates::open(&files).await.unwrap();
    assert!(!certificates.reload().await.unwrap(), "nothing has changed");
    let key = std::fs::read(&files.key).unwrap();
    certificate(&folder);
    // Only one of the two has been replaced so far.
    let new_key = std::fs::read(&files.key).unwrap();
    std::fs::write(&files.key, key).unwrap();
    assert!(certificates.reload().await.is_err());
    std::fs::write(&files.key, new_key).unwrap();
    assert!(certificates.reload().await.unwrap());
    std::fs::write(&files.certificate, "no certificate").unwrap();
    assert!(certificates.reload().await.is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
