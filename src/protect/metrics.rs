//! Numbers for the operator: requests, how long they took, what was refused. Read as Prometheus text on the management
//! listener.

use crate::fault::Fault;
use crate::protect::limits::Tier;
use crate::storage::counters;
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0,
];
const METADATA: Metadata<'static> = Metadata::new("grantor", Level::INFO, None);

const REQUESTS: &str = "grantor_http_requests_total";
const DURATION: &str = "grantor_http_request_duration_seconds";
const IN_FLIGHT: &str = "grantor_http_requests_in_flight";
const RATE_LIMITED: &str = "grantor_rate_limited_total";
const LIMIT_KEYS: &str = "grantor_limit_keys";
const LIMITS_SHARED: &str = "grantor_limits_shared";
const STATEMENTS: &str = "grantor_database_statements_total";
const BREAKER: &str = "grantor_database_breaker_open";
const WORKING: &str = "grantor_http_requests_working";
const SHED: &str = "grantor_http_requests_shed_total";
const HOSTS_RESTING: &str = "grantor_outgoing_hosts_resting";
const COMMITS: &str = "grantor_database_commits_total";

/// A recorder of its own for each server, so that two in one process do not mix. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    in_flight: AtomicI64,
}

/// What is left alone for having failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resting {
    /// Whether the main database is.
    pub database: bool,
    /// How many hosts are to which the server sends requests.
    pub hosts: usize,
}

/// What is not counted here but known elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Keys that the limits hold in memory.
    pub limit_keys: usize,
    /// Whether the store that replicas share answers, where there is one.
    pub limits_shared: Option<bool>,
    /// Requests that are being worked on, and do not wait for their bodies.
    pub working: usize,
    /// Requests refused because too many were.
    pub shed: u64,
    /// What is left alone.
    pub resting: Resting,
}

impl Metrics {
    /// Numbers that all are zero.
    ///
    /// # Errors
    /// Never: the buckets are a constant that is not empty.
    pub fn new() -> Result<Self, Fault> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(BUCKETS)
            .map_err(|error| Fault::internal("the metrics cannot be set up").caused_by(error))?
            .build_recorder();
        for (name, help) in [
            (REQUESTS, "Requests by method, route and class of status."),
            (RATE_LIMITED, "Requests refused by a limit."),
            (STATEMENTS, "Statements sent to the databases."),
            (COMMITS, "Transactions of several statements committed."),
            (SHED, "Requests refused because too many were being worked on."),
        ] {
            recorder.describe_counter(name.into(), None, help.into());
        }
        recorder.describe_histogram(DURATION.into(), None, "Time from head to answer by route.".into());
        recorder.describe_gauge(IN_FLIGHT.into(), None, "Requests that are being served.".into());
        recorder.describe_gauge(
            WORKING.into(),
            None,
            "Requests that are being worked on; past http.max_in_flight further ones are refused.".into(),
        );
        recorder.describe_gauge(
            HOSTS_RESTING.into(),
            None,
            "Hosts to which nothing is sent for a while because they failed several times in a row.".into(),
        );
        recorder.describe_gauge(
            BREAKER.into(),
            None,
            "1 while the main database is left alone because it fails or is too slow.".into(),
        );
        recorder.describe_gauge(
            LIMITS_SHARED.into(),
            None,
            "Whether the store of the limits answers (1) or each replica counts by itself (0).".into(),
        );
        recorder.describe_gauge(LIMIT_KEYS.into(), None, "Keys that limits hold in memory.".into());
        Ok(Self(Arc::new(Inner {
            recorder,
            in_flight: AtomicI64::new(0),
        })))
    }

    pub(super) fn begin(&self) {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that is over. `route` is a template: paths as they come would make numbers without end.
    pub(super) fn end(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let labels = vec![
            Label::new("method", known_method(method)),
            Label::new("route", route.to_owned()),
            Label::from_static_parts("status", class),
        ];
        self.counter(Key::from_parts(REQUESTS, labels), 1);
        let key = Key::from_parts(DURATION, vec![Label::new("route", route.to_owned())]);
        self.0
            .recorder
            .register_histogram(&key, &METADATA)
            .record(took.as_secs_f64());
    }

    pub(super) fn limited(&self, tier: Tier) {
        let labels = vec![Label::from_static_parts("tier", tier.as_str())];
        self.counter(Key::from_parts(RATE_LIMITED, labels), 1);
    }

    /// The numbers as Prometheus reads them.
    pub fn render(&self, gauges: &Gauges) -> String {
        let gauge = |name, value: f64| {
            let key = Key::from_static_name(name);
            self.0.recorder.register_gauge(&key, &METADATA).set(value);
        };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        {
            gauge(IN_FLIGHT, self.0.in_flight.load(Ordering::Relaxed) as f64);
            gauge(LIMIT_KEYS, gauges.limit_keys as f64);
            gauge(WORKING, gauges.working as f64);
            gauge(HOSTS_RESTING, gauges.resting.hosts as f64);
        }
        gauge(BREAKER, if gauges.resting.database { 1.0 } else { 0.0 });
        if let Some(shared) = gauges.limits_shared {
            gauge(LIMITS_SHARED, if shared { 1.0 } else { 0.0 });
        }
        for (name, value) in [
            (STATEMENTS, counters::statements()),
            (COMMITS, counters::commits()),
            (SHED, gauges.shed),
        ] {
            let key = Key::from_static_name(name);
            self.0.recorder.register_counter(&key, &METADATA).absolute(value);
        }
        self.0.recorder.handle().render()
    }

    /// Moves samples into their buckets; without it, samples would gather while nobody reads them.
    pub fn tidy(&self) {
        self.0.recorder.handle().run_upkeep();
    }

    fn counter(&self, key: Key, by: u64) {
        self.0.recorder.register_counter(&key, &METADATA).increment(by);
    }
}

/// A method out of a closed list: senders may invent others.
fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_template_and_class() {
        let metrics = Metrics::new().unwrap();
        metrics.begin();
        metrics.begin();
        metrics.end("POST", "/oauth2/token", 200, Duration::from_millis(3));
        metrics.limited(Tier::Public);
        let text = metrics.render(&Gauges {
            limit_keys: 7,
            limits_shared: Some(false),
            working: 3,
            shed: 4,
            resting: Resting {
                database: true,
                hosts: 5,
            },
        });
        for line in [
            r#"grantor_http_requests_total{method="POST",route="/oauth2/token",status="2xx"} 1"#,
            r#"grantor_http_request_duration_seconds_bucket{route="/oauth2/token",le="0.0025"} 0"#,
            r#"grantor_http_request_duration_seconds_bucket{route="/oauth2/token",le="0.005"} 1"#,
            "grantor_http_requests_in_flight 1",
            r#"grantor_rate_limited_total{tier="public"} 1"#,
            "grantor_limit_keys 7",
            "grantor_database_breaker_open 1",
            "grantor_limits_shared 0",
            "grantor_http_requests_working 3",
            "grantor_http_requests_shed_total 4",
            "grantor_outgoing_hosts_resting 5",
            "grantor_database_statements_total ",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(known_method("BREW"), "other");
    }
}
