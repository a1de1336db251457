//! What Prometheus reads, in the OpenMetrics text format.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// What a series is told apart by.
pub type Labels = Vec<(&'static str, String)>;

/// One answer to Prometheus: what is counted all the time, and what is measured when it asks.
pub struct Page(Registry);

impl Page {
    /// An empty one. All names begin with `prefix` and `_`.
    #[must_use]
    pub fn new(prefix: &str, version: &str) -> Self {
        let mut page = Self(Registry::with_prefix(prefix));
        page.gauge(
            "build",
            "The version that runs, always 1",
            [(vec![("version", version.to_owned())], 1.0)],
        );
        page
    }

    /// Adds what is counted all the time.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.0
    }

    /// Adds measurements: one series for each set of labels. Names end with their unit; `help` has no full stop.
    pub fn gauge(&mut self, name: &str, help: &str, series: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in series {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// Adds one measurement without labels.
    pub fn single(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = encode(&mut text, &self.0);
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
    }
}

/// A count as a measurement. Beyond 2⁵³ it is rounded.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
#[must_use]
pub const fn number(count: u64) -> f64 {
    count as f64
}
