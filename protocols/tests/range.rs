//! Byte ranges.

use protocols::http1::RangeOutcome::{Parts, Unsatisfiable, Whole};
use protocols::http1::{RANGES_MAX, RangeOutcome, parse_range};

fn parts(ranges: &[(u64, u64)]) -> RangeOutcome {
    Parts(ranges.iter().map(|&(start, end)| start..end).collect())
}

#[test]
fn single_ranges() {
    let size = 100;
    for (value, range) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-99", 0..100),
        ("bytes=0-1000", 0..100),
        ("bytes=10-", 10..100),
        ("bytes=-10", 90..100),
        ("bytes=-1000", 0..100),
        ("Bytes= 5-9 ", 5..10),
        ("bytes=5-99999999999999999999999", 5..100),
        ("bytes=,5-9,", 5..10),
    ] {
        assert_eq!(
            parse_range(value.as_bytes(), size),
            Parts(vec![range]),
            "{value}"
        );
    }
}

#[test]
fn malformed_or_foreign_is_ignored() {
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5",
        "bytes=9-5",
        "bytes=0-1,x",
        "bytes=5--9",
        "bytes=+5-9",
        "bytes=5 - 9",
        "lines=0-1",
        "bytes:0-1",
        "bytes 0-1",
        "bytes=0x0-1",
        "\u{e9}=0-1",
        "bytes=1.0-2",
    ] {
        assert_eq!(parse_range(value.as_bytes(), 100), Whole, "{value}");
    }
}

#[test]
fn unsatisfiable() {
    for value in [
        "bytes=100-",
        "bytes=100-200",
        "bytes=-0",
        "bytes=99999999999999999999999-",
    ] {
        assert_eq!(parse_range(value.as_bytes(), 100), Unsatisfiable, "{value}");
    }
    assert_eq!(parse_range(b"bytes=0-", 0), Unsatisfiable);
    assert_eq!(parse_range(b"bytes=-5", 0), Whole);
    assert_eq!(parse_range(b"bytes=200-,0-0", 100), parts(&[(0, 1)]));
}

#[test]
fn several_are_sorted_and_joined() {
    assert_eq!(
        parse_range(b"bytes=50-59,0-9", 100),
        parts(&[(0, 10), (50, 60)])
    );
    assert_eq!(parse_range(b"bytes=0-9,10-19", 100), parts(&[(0, 20)]));
    assert_eq!(parse_range(b"bytes=0-,0-,0-,5-6", 100), parts(&[(0, 100)]));
    assert_eq!(
        parse_range(b"bytes=-1,0-0,1-1,98-98", 100),
        parts(&[(0, 2), (98, 100)])
    );
    let set = |count: usize| {
        let specs: Vec<String> = (0..count).map(|i| format!("{}-{}", 3 * i, 3 * i)).collect();
        format!("bytes={}", specs.join(","))
    };
    assert!(
        matches!(parse_range(set(RANGES_MAX).as_bytes(), 100), Parts(parts) if parts.len() == 16)
    );
    assert_eq!(parse_range(set(RANGES_MAX + 1).as_bytes(), 100), Whole);
}
