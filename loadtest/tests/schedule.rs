//! The open loop's arrivals and what they do to the recorded latencies.

use loadtest::schedule::Schedule;
use loadtest::tally::Tally;

const MS: u64 = 1_000_000;

#[test]
fn arrivals_are_due_at_a_constant_rate() {
    let schedule = Schedule::new(5 * MS, 1_000.0);
    assert_eq!(schedule.period_ns(), MS);
    assert_eq!(schedule.due_ns(0), 5 * MS);
    assert_eq!(schedule.due_ns(250), 255 * MS);
}

#[test]
fn a_period_that_is_no_whole_number_does_not_drift() {
    let schedule = Schedule::new(0, 3.0);
    assert_eq!(schedule.due_ns(3_000_000), 1_000_000_000_000_000);
}

#[test]
fn nothing_is_taken_before_it_is_due() {
    let mut schedule = Schedule::new(MS, 1_000.0);
    assert_eq!(schedule.take_due(MS - 1), None);
    assert_eq!(schedule.take_due(MS), Some(MS));
    assert_eq!(schedule.take_due(MS), None);
}

#[test]
fn a_stall_leaves_every_missed_arrival_to_be_taken_with_its_own_time() {
    let mut schedule = Schedule::new(0, 1_000.0);
    let taken: Vec<u64> = std::iter::from_fn(|| schedule.take_due(4 * MS)).collect();
    assert_eq!(taken, [0, MS, 2 * MS, 3 * MS, 4 * MS]);
}

#[test]
fn a_stall_shows_in_the_latencies_of_all_requests_it_delayed() {
    let mut tally = Tally::new(None).expect("bounds");
    let mut schedule = Schedule::new(0, 1_000.0);
    tally.open(0);
    // The server answers nothing for 100 ms, then all at once.
    while let Some(due_ns) = schedule.take_due(99 * MS) {
        tally.answer(due_ns, 100 * MS, 200);
    }
    let median_ms = tally.latencies_ns().value_at_quantile(0.5) as f64 / MS as f64;
    assert_eq!(tally.answers, 100);
    assert!((49.0..=52.0).contains(&median_ms), "median {median_ms} ms");
}

#[test]
fn only_the_window_counts() {
    let mut tally = Tally::new(None).expect("bounds");
    tally.answer(0, MS, 200);
    tally.open(10 * MS);
    tally.answer(9 * MS, 11 * MS, 200);
    tally.answer(10 * MS, 12 * MS, 404);
    tally.timeout(11 * MS, 13 * MS);
    tally.close(20 * MS);
    tally.answer(19 * MS, 21 * MS, 200);
    tally.unfinished(18 * MS, 30 * MS);
    tally.unfinished(20 * MS, 30 * MS);
    assert_eq!(
        (
            tally.answers,
            tally.unexpected,
            tally.timeouts,
            tally.unfinished
        ),
        (2, 1, 1, 1)
    );
    assert_eq!(tally.latencies_ns().len(), 4);
    assert_eq!(tally.window_ns(), 10 * MS);
}

#[test]
fn the_expected_status_is_the_right_one() {
    let mut tally = Tally::new(Some(422)).expect("bounds");
    tally.open(0);
    tally.answer(0, MS, 422);
    tally.answer(0, MS, 200);
    assert_eq!((tally.answers, tally.unexpected), (2, 1));
}
