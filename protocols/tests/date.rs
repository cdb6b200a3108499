//! HTTP dates, and the line that is formatted once per second.

use protocols::http1::{DateLine, http_date};

#[test]
fn dates() {
    assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(http_date(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn the_line_follows_the_clock() {
    let mut line = DateLine::new();
    for second in [0, 784_111_777, 784_111_777, 784_111_778, 0, u64::MAX] {
        let expected = format!("date: {}\r\n", http_date(second));
        assert_eq!(line.at(second), expected.as_bytes());
    }
}
