//! The latency curve as text, for the terminal.

use crate::curve::{self, Point};

const HEIGHT_ROWS: usize = 12;
const LABEL_COLUMNS: usize = 12;

/// Draws latency over percentile, `width` columns of curve.
pub fn draw(points: &[Point], width: usize) -> String {
    let Some(last) = points.last() else {
        return String::new();
    };
    let width = width.max(2);
    let step_us = curve::round_step(last.latency_us, 4);
    let top_us = (last.latency_us / step_us).ceil().max(1.0) * step_us;
    let nines_max = curve::nines_max(last.count);
    let levels: Vec<f64> = (0..width)
        .map(|column| {
            let nines = nines_max * column as f64 / (width - 1) as f64;
            let latency_us = curve::latency_at(points, curve::quantile_at(nines));
            latency_us / top_us * HEIGHT_ROWS as f64
        })
        .collect();
    let mut plot = String::new();
    for row in (0..HEIGHT_ROWS).rev() {
        let label = if (row + 1) % 3 == 0 {
            curve::latency_label(top_us * (row + 1) as f64 / HEIGHT_ROWS as f64)
        } else {
            String::new()
        };
        let line: String = levels.iter().map(|level| glyph(*level, row)).collect();
        plot.push_str(&format!("{label:>LABEL_COLUMNS$} |{}\n", line.trim_end()));
    }
    plot.push_str(&axis(nines_max, width));
    plot
}

/// The curve is a line, not a filled area: a row shows it only where the level falls inside.
fn glyph(level: f64, row: usize) -> char {
    let inside = level - row as f64;
    match inside {
        x if x > 1.0 => ' ',
        x if x > 2.0 / 3.0 => '\'',
        x if x > 1.0 / 3.0 => '-',
        x if x > 0.0 => '.',
        x if row == 0 && x <= 0.0 => '.',
        _ => ' ',
    }
}

fn axis(nines_max: f64, width: usize) -> String {
    let mut ticks = vec!['-'; width];
    let mut labels = String::new();
    for nines in 0..=nines_max.floor() as u32 {
        let column = (f64::from(nines) / nines_max * (width - 1) as f64).round() as usize;
        ticks[column.min(width - 1)] = '+';
        let label = curve::percent_label(nines);
        // A label that would touch its neighbour is left out; its tick stays.
        if column >= labels.len() + usize::from(nines > 0) {
            labels.push_str(&" ".repeat(column - labels.len()));
            labels.push_str(&label);
        }
    }
    let margin = " ".repeat(LABEL_COLUMNS);
    let ticks: String = ticks.into_iter().collect();
    format!("{margin} +{ticks}\n{margin}  {labels}\n")
}
