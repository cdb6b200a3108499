//! Preconditions in the order of RFC 9110 section 13.2.2, and `If-Range`.

mod common;

use common::good_head;
use protocols::http1::Precondition::{Failed, NotModified, Proceed};
use protocols::http1::{Precondition, Validators, etag_for, evaluate, http_date, if_range_holds};

const MODIFIED_S: u64 = 784_111_777;
const OWN: Validators<'_> = Validators {
    etag: b"\"a,b\"",
    last_modified_s: MODIFIED_S,
};

fn weigh(method: &str, fields: &str) -> Precondition {
    let parsed = good_head(format!(
        "{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"
    ));
    evaluate(method.as_bytes(), &parsed.head, &parsed.bytes, &OWN)
}

#[test]
fn if_match_is_strong() {
    for fields in [
        "If-Match: \"a,b\"",
        "If-Match: *",
        "If-Match: \"x\", \"a,b\"",
        "If-Match: ,\"a,b\",",
        "If-Match: \"x\"\r\nIf-Match: \"a,b\"",
        "X: y",
    ] {
        assert_eq!(weigh("PUT", fields), Proceed, "{fields}");
    }
    for fields in [
        "If-Match: \"x\"",
        "If-Match: W/\"a,b\"",
        "If-Match: a,b",
        "If-Match: \"a\"",
        "If-Match:",
        "If-Match: \"x\" \"a,b\"",
        "If-Match: \"a,b",
        "If-Match: \"a b\"",
    ] {
        assert_eq!(weigh("PUT", fields), Failed, "{fields}");
        assert_eq!(weigh("GET", fields), Failed, "{fields}");
    }
}

#[test]
fn if_none_match_is_weak() {
    for fields in [
        "If-None-Match: \"a,b\"",
        "If-None-Match: W/\"a,b\"",
        "If-None-Match: *",
        "If-None-Match: \"x\" , W/\"y\",W/\"a,b\"",
    ] {
        assert_eq!(weigh("GET", fields), NotModified, "{fields}");
        assert_eq!(weigh("HEAD", fields), NotModified, "{fields}");
        assert_eq!(weigh("PUT", fields), Failed, "{fields}");
    }
    for fields in [
        "If-None-Match: \"x\"",
        "If-None-Match: w/\"a,b\"",
        "If-None-Match:",
    ] {
        assert_eq!(weigh("GET", fields), Proceed, "{fields}");
        assert_eq!(weigh("PUT", fields), Proceed, "{fields}");
    }
}

#[test]
fn dates() {
    let at = |field: &str, second| format!("{field}: {}", http_date(second));
    assert_eq!(
        weigh("GET", &at("If-Modified-Since", MODIFIED_S)),
        NotModified
    );
    assert_eq!(
        weigh("GET", &at("If-Modified-Since", MODIFIED_S - 1)),
        Proceed
    );
    assert_eq!(weigh("POST", &at("If-Modified-Since", MODIFIED_S)), Proceed);
    assert_eq!(
        weigh("PUT", &at("If-Unmodified-Since", MODIFIED_S)),
        Proceed
    );
    assert_eq!(
        weigh("PUT", &at("If-Unmodified-Since", MODIFIED_S - 1)),
        Failed
    );
    for value in [
        "yesterday",
        "",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37 CET",
    ] {
        assert_eq!(
            weigh("GET", &format!("If-Modified-Since: {value}")),
            Proceed,
            "{value}"
        );
        assert_eq!(
            weigh("PUT", &format!("If-Unmodified-Since: {value}")),
            Proceed,
            "{value}"
        );
    }
    for value in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(
            weigh("GET", &format!("If-Modified-Since: {value}")),
            NotModified,
            "{value}"
        );
    }
    let twice = at("If-Modified-Since", MODIFIED_S) + "\r\n" + &at("If-Modified-Since", MODIFIED_S);
    assert_eq!(weigh("GET", &twice), Proceed);
}

#[test]
fn tags_come_before_dates() {
    let stale = http_date(MODIFIED_S - 1);
    let fresh = http_date(MODIFIED_S);
    let fields = format!("If-Unmodified-Since: {stale}\r\nIf-Match: *");
    assert_eq!(weigh("PUT", &fields), Proceed);
    let fields = format!("If-Modified-Since: {fresh}\r\nIf-None-Match: \"x\"");
    assert_eq!(weigh("GET", &fields), Proceed);
    assert_eq!(weigh("GET", "If-None-Match: *\r\nIf-Match: \"x\""), Failed);
}

#[test]
fn if_range() {
    let holds = |fields: &str, validators: &Validators<'_>| {
        let parsed = good_head(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n"));
        if_range_holds(&parsed.head, &parsed.bytes, validators)
    };
    assert!(holds("X: y", &OWN));
    assert!(holds("If-Range: \"a,b\"", &OWN));
    assert!(holds(&format!("If-Range: {}", http_date(MODIFIED_S)), &OWN));
    for value in [
        "W/\"a,b\"",
        "\"x\"",
        "*",
        "",
        "\"a,b\"\r\nIf-Range: \"a,b\"",
        "\"a,b\", \"c\"",
    ] {
        assert!(!holds(&format!("If-Range: {value}"), &OWN), "{value}");
    }
    assert!(!holds(
        &format!("If-Range: {}", http_date(MODIFIED_S + 1)),
        &OWN
    ));
    let weak = Validators {
        etag: b"W/\"a,b\"",
        ..OWN
    };
    assert!(!holds("If-Range: W/\"a,b\"", &weak));
}

#[test]
fn made_tags_are_strong_and_differ() {
    let tag = |len, modified_ns| {
        let mut out = Vec::new();
        etag_for(len, modified_ns, &mut out);
        String::from_utf8(out).expect("ASCII")
    };
    assert_eq!(tag(0, 0), "\"0-0\"");
    assert_eq!(tag(255, 0x1234_5678_9abc_def0), "\"ff-123456789abcdef0\"");
    assert_eq!(
        tag(u64::MAX, u128::MAX),
        format!("\"{:x}-{:x}\"", u64::MAX, u128::MAX)
    );
}
