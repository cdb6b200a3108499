//! The latency curve: its points, its axis, the text plot and the SVG chart.

use hdrhistogram::Histogram;
use loadtest::curve::{
    Point, latency_at, latency_label, nines, nines_max, percent_label, points, round_step,
};
use loadtest::{svg_chart, text_plot};

/// 990 requests of 1 ms, 9 of 5 ms and one of 10 ms.
fn sample() -> Vec<Point> {
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
    for (count, latency_us) in [(990, 1_000), (9, 5_000), (1, 10_000)] {
        latencies
            .record_n(latency_us * 1_000, count)
            .expect("in bounds");
    }
    points(&latencies)
}

#[test]
fn the_points_rise_to_the_slowest_request() {
    let curve = sample();
    assert!(
        curve
            .windows(2)
            .all(|pair| pair[0].quantile <= pair[1].quantile)
    );
    assert!(
        curve
            .windows(2)
            .all(|pair| pair[0].latency_us <= pair[1].latency_us)
    );
    let last = curve.last().expect("points");
    assert_eq!((last.quantile, last.count), (1.0, 1_000));
    assert!((latency_at(&curve, 0.5) - 1_000.0).abs() < 1.0);
    assert!((latency_at(&curve, 0.995) - 5_000.0).abs() < 5.0);
    assert!((latency_at(&curve, 1.0) - 10_000.0).abs() < 10.0);
}

#[test]
fn each_nine_takes_the_same_room() {
    assert!((nines(0.9) - 1.0).abs() < 1e-9);
    assert!((nines(0.999) - 3.0).abs() < 1e-9);
    assert!((nines_max(1_000) - 3.0).abs() < 1e-9);
    let labels: Vec<String> = (0..5).map(percent_label).collect();
    assert_eq!(labels, ["0%", "90%", "99%", "99.9%", "99.99%"]);
}

#[test]
fn steps_are_round_and_labels_have_units() {
    assert_eq!(round_step(10_000.0, 4), 5_000.0);
    assert_eq!(round_step(37.0, 4), 10.0);
    assert_eq!(latency_label(950.0), "950.0 us");
    assert_eq!(latency_label(1_500.0), "1.50 ms");
    assert_eq!(latency_label(2_000_000.0), "2.000 s");
}

#[test]
fn the_text_plot_draws_one_mark_per_column() {
    let plot = text_plot::draw(&sample(), 31);
    let body: Vec<&str> = plot.lines().collect();
    assert_eq!(body.len(), 14);
    for column in 14..45 {
        let marks = body[..12].iter().filter(|line| {
            line.as_bytes()
                .get(column)
                .is_some_and(|mark| *mark != b' ')
        });
        assert_eq!(marks.count(), 1, "column {column} of\n{plot}");
    }
    assert_eq!(
        body[12], "             ++---------+---------+---------+",
        "\n{plot}"
    );
    assert_eq!(
        body[13], "              0%        90%       99%       99.9%",
        "\n{plot}"
    );
}

#[test]
fn no_requests_make_no_plot() {
    assert_eq!(text_plot::draw(&[], 60), "");
    assert!(svg_chart::draw("title", "", &[]).ends_with("</svg>\n"));
}

#[test]
fn the_chart_names_its_axis_and_escapes_its_title() {
    let svg = svg_chart::draw("GET http://127.0.0.1/?a=<1>&b", "64 connections", &sample());
    assert!(svg.contains("?a=&lt;1&gt;&amp;b"));
    assert!(svg.contains(">99.9%<") && svg.contains(">10.00 ms<") && svg.contains("<polyline"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}
