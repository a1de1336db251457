//! Metrics for Prometheus, in the OpenMetrics text format.

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

/// The labels of a series, as names and values.
pub type Labels = Vec<(&'static str, String)>;

/// One response to a scrape: counters that are kept all the time, and gauges measured for this scrape.
pub struct Page(Registry);

impl Page {
    /// An empty page. All metric names are prefixed with `prefix` and `_`.
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

    /// The registry, to add counters that are kept all the time.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.0
    }

    /// Adds a gauge with one series per set of labels. Its name ends with its unit; `help` has no full stop.
    pub fn gauge(&mut self, name: &str, help: &str, series: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in series {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// Adds a gauge without labels.
    pub fn single(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = encode(&mut text, &self.0);
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
    }
}

/// A count as a gauge's value. Rounded beyond 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
#[must_use]
pub const fn number(count: u64) -> f64 {
    count as f64
}
