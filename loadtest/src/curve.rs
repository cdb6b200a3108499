//! Latency by percentile: the points, and the axis on which each further nine takes the same room.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Steps per halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// One point: `quantile` of all requests took at most `latency_us`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Between 0 and 1.
    pub quantile: f64,
    /// Microseconds.
    pub latency_us: f64,
    /// Requests up to here.
    pub count: u64,
}

/// The curve of a histogram of nanoseconds.
pub fn points(latencies_ns: &Histogram<u64>) -> Vec<Point> {
    latencies_ns
        .iter_quantiles(TICKS_PER_HALF)
        .scan(0, |count, step| {
            *count += step.count_since_last_iteration();
            Some(Point {
                quantile: step.quantile(),
                latency_us: step.value_iterated_to() as f64 / 1e3,
                count: *count,
            })
        })
        .collect()
}

/// Position of a quantile in nines: 0.9 is 1, 0.99 is 2; 1 is infinite.
pub fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// The quantile at a position in nines.
pub fn quantile_at(nines: f64) -> f64 {
    1.0 - 10f64.powf(-nines)
}

/// How many nines `count` samples can tell apart; at least one, so that there is an axis.
pub fn nines_max(count: u64) -> f64 {
    (count.max(10) as f64).log10()
}

/// Latency at a quantile: the first point that reaches it.
pub fn latency_at(points: &[Point], quantile: f64) -> f64 {
    let at = points.partition_point(|point| point.quantile < quantile);
    points
        .get(at)
        .or(points.last())
        .map_or(0.0, |point| point.latency_us)
}

/// The label of a whole number of nines: `0%`, `90%`, `99%`, `99.9%`.
pub fn percent_label(nines: u32) -> String {
    match nines {
        0 => "0%".to_owned(),
        1 => "90%".to_owned(),
        2 => "99%".to_owned(),
        more => format!("99.{}%", "9".repeat(more as usize - 2)),
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides `maximum` into at most `parts`.
pub fn round_step(maximum: f64, parts: u32) -> f64 {
    let rough = (maximum / f64::from(parts.max(1))).max(1e-3);
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|step| step * magnitude >= rough);
    step.unwrap_or(10.0) * magnitude
}

/// Microseconds in the unit that reads best.
pub fn latency_label(latency_us: f64) -> String {
    match latency_us {
        us if us >= 1e6 => format!("{:.3} s", us / 1e6),
        us if us >= 1e3 => format!("{:.2} ms", us / 1e3),
        us => format!("{us:.1} us"),
    }
}
