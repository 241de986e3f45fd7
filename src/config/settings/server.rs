//! Where the server listens and how it speaks.

use super::{NONE, is};
use crate::config::parse;
use crate::config::setting::{Default, Setting, Shown};
use crate::types::Issuer;

pub(super) static ALL: &[Setting] = &[
    value!(
        "issuer",
        is("http://localhost:8080"),
        "an https URL without trailing slash; http on loopback hosts only",
        Plain,
        config.issuer = |text| Issuer::parse(text).map_err(parse::words),
        "Issuer identifier, and the base of every URL"
    ),
    value!(
        "listen",
        is("127.0.0.1:8080"),
        "an address with a port",
        Plain,
        config.listen = parse::socket,
        "Public listener"
    ),
    value!(
        "management_listen",
        is("127.0.0.1:9090"),
        "an address with a port",
        Plain,
        config.management_listen = parse::socket,
        "Listener for health and metrics"
    ),
    optional!(
        "management_token",
        NONE,
        "8 to 512 printable ASCII characters without spaces",
        Hidden,
        config.management_token = |text| parse::machine_secret(text, 8),
        "Bearer token for /metrics; required when that listener is not loopback"
    ),
    optional!(
        "tls_cert",
        NONE,
        "a PEM file",
        Plain,
        tls_cert = parse::path,
        "Certificate chain for TLS of the server's own; re-read when it changes"
    ),
    optional!(
        "tls_key",
        NONE,
        "a PEM file",
        Plain,
        tls_key = parse::path,
        "Private key of that certificate"
    ),
    value!(
        "tls.min",
        is("1.2"),
        "1.2 or 1.3",
        Plain,
        config.tls_1_3_only = |text| parse::choice(text, &[("1.2", false), ("1.3", true)]),
        "Oldest version of TLS that is spoken"
    ),
    value!(
        "trusted_proxies",
        NONE,
        "networks such as 10.0.0.0/8, separated by commas",
        Plain,
        config.trusted_proxies = parse::networks,
        "Peers whose Forwarded and X-Forwarded-* headers are believed"
    ),
    value!(
        "proxy_protocol",
        is("off"),
        "off or on",
        Plain,
        config.proxy_protocol = |text| parse::choice(text, &[("off", false), ("on", true)]),
        "Whether every connection from a trusted proxy begins with a PROXY header (version 1 or 2)"
    ),
    number!("hsts.max_age_s", is("31536000"), 31536000 to 3153600000 " seconds", http.hsts_max_age_s,
        "How long browsers remember to use https only"),
    number!("cors.max_age_s", is("86400"), 0 to 86400 " seconds", http.cors_max_age_s,
        "How long a browser may remember a preflight's answer"),
    value!(
        "body.max_json",
        is("1 MiB"),
        "64 KiB to 10 MiB",
        Plain,
        config.http.max_json = |text| parse::size(text, 64 << 10, 10 << 20),
        "Largest JSON body"
    ),
    value!(
        "body.max_form",
        is("64 KiB"),
        "8 KiB to 1 MiB",
        Plain,
        config.http.max_form = |text| parse::size(text, 8 << 10, 1 << 20),
        "Largest form body"
    ),
    number!("json.max_depth", is("32"), 8 to 64 " levels", http.json_depth, "Deepest nesting of JSON"),
    number!("http.header_timeout_s", is("10"), 1 to 60 " seconds", http.header_timeout_s,
        "Time in which a request's head must arrive"),
    number!("http.body_timeout_s", is("30"), 1 to 60 " seconds", http.body_timeout_s,
        "Time in which a request's body must arrive"),
    number!("http.max_connections", is("10000"), 100 to 1000000 " connections", http.max_connections,
        "Connections served at once, each of which takes up to 200 KiB of memory; further ones wait until one is closed"),
    number!("http.max_in_flight", is("1000"), 16 to 100000 " requests", http.max_in_flight,
        "Requests worked on at once, half of them at pages, OAuth endpoints or the admin API alone; further ones get 503, except for metadata and keys"),
    optional!(
        "outgoing.ca",
        NONE,
        "a PEM file",
        Plain,
        config.outgoing.ca = parse::path,
        "Authorities trusted besides the system's for requests that the server makes"
    ),
    value!(
        "outgoing.allow",
        NONE,
        "networks such as 10.0.0.0/8, separated by commas",
        Plain,
        config.outgoing.allow = parse::networks,
        "Private networks that requests of the server may reach"
    ),
    number!("outgoing.failures", is("5"), 1 to 100 " failures", outgoing.failures,
        "A host to which so many requests in a row failed is left alone for a while"),
    number!("outgoing.open_s", is("15"), 1 to 300 " seconds", outgoing.open_s,
        "How long it is left alone before one request tries it; others fail at once"),
    value!(
        "log",
        is("info"),
        "error, warn, info or debug, or target=level, separated by commas",
        Plain,
        config.log.filter = parse::log_filter,
        "What is logged"
    ),
    optional!(
        "log_format",
        Default::Words("json, or pretty on a terminal"),
        "json or pretty",
        Plain,
        log_json = |text| parse::choice(text, &[("json", true), ("pretty", false)]),
        "Form of the log"
    ),
];
