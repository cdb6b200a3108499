//! The latency curve as an SVG chart.

use std::fmt::Write;

use crate::curve::{self, Point};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 52.0;
const CURVE_STEPS: u32 = 240;

/// Scales from nines and microseconds to the chart's coordinates.
struct Scale {
    nines_max: f64,
    top_us: f64,
}

impl Scale {
    fn x(&self, nines: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * nines / self.nines_max
    }

    fn y(&self, latency_us: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * latency_us / self.top_us
    }
}

/// Draws the curve below `title` and `subtitle`.
pub fn draw(title: &str, subtitle: &str, points: &[Point]) -> String {
    let (count, max_us) = points
        .last()
        .map_or((0, 1.0), |last| (last.count, last.latency_us));
    let step_us = curve::round_step(max_us, 5);
    let top_us = (max_us / step_us).ceil().max(1.0) * step_us;
    let scale = Scale {
        nines_max: curve::nines_max(count),
        top_us,
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#444\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" fill=\"#111\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"42\">{}</text>\n",
        escape(title),
        escape(subtitle),
    );
    draw_grid(&mut svg, &scale, step_us);
    draw_curve(&mut svg, &scale, points);
    svg.push_str("</svg>\n");
    svg
}

fn draw_grid(svg: &mut String, scale: &Scale, step_us: f64) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let lines = (scale.top_us / step_us).round() as u32;
    for line in 0..=lines {
        let latency_us = step_us * f64::from(line);
        let y = scale.y(latency_us);
        let color = if line == 0 { "#888" } else { "#e4e4e4" };
        append(
            svg,
            format_args!(
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"{color}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8.0,
                y + 4.0,
                curve::latency_label(latency_us)
            ),
        );
    }
    for nines in 0..=scale.nines_max.floor() as u32 {
        let x = scale.x(f64::from(nines));
        append(
            svg,
            format_args!(
                "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                bottom + 18.0,
                curve::percent_label(nines)
            ),
        );
    }
    append(
        svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">percentile</text>\n",
            (LEFT + right) / 2.0,
            HEIGHT - 14.0
        ),
    );
}

fn draw_curve(svg: &mut String, scale: &Scale, points: &[Point]) {
    if points.is_empty() {
        return;
    }
    svg.push_str("<polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\" points=\"");
    for step in 0..=CURVE_STEPS {
        let nines = scale.nines_max * f64::from(step) / f64::from(CURVE_STEPS);
        let latency_us = curve::latency_at(points, curve::quantile_at(nines));
        append(
            svg,
            format_args!("{:.1},{:.1} ", scale.x(nines), scale.y(latency_us)),
        );
    }
    svg.push_str("\"/>\n");
}

fn append(svg: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = svg.write_fmt(text);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
