//! Bodies of PostgreSQL messages: each variant, each truncation of it, and what must not be there.

mod common;

use common::postgres::{frame, hex, message, row, string};
use protocols::Error;
use protocols::postgres::{
    Authentication, BackendKeyData, Column, CopyResponse, DataRow, ErrorFields, Format, Message,
    NegotiateProtocolVersion, NotificationResponse, ParameterStatus, TlsAnswer, TransactionStatus,
    command_tag, parameter_description, row_description, tls_answer,
};

/// Insists that `body` is `expected`, and that no part of it, nor it and one byte more, is.
fn check(tag: u8, body: impl AsRef<[u8]>, expected: Message<'_>) {
    let body = body.as_ref();
    let found = frame(message(tag, body)).expect("a frame").expect("whole");
    assert_eq!(Message::parse(found.0, &found.1), Ok(expected));
    for end in 0..body.len() {
        malformed(tag, &body[..end]);
    }
    malformed(tag, [body, b"\0"].concat());
}

fn malformed(tag: u8, body: impl AsRef<[u8]>) {
    match Message::parse(tag, body.as_ref()) {
        Err(Error::PostgresProtocol(reason)) => assert!(reason.contains("PostgreSQL")),
        other => panic!("{}: {:?}: {other:?}", tag as char, body.as_ref()),
    }
}

#[test]
fn messages_without_a_body() {
    for (tag, expected) in [
        (b'1', Message::ParseComplete),
        (b'2', Message::BindComplete),
        (b'3', Message::CloseComplete),
        (b'c', Message::CopyDone),
        (b'I', Message::EmptyQueryResponse),
        (b'n', Message::NoData),
        (b's', Message::PortalSuspended),
    ] {
        check(tag, b"", expected);
    }
}

#[test]
fn tags_that_are_none() {
    for tag in (0..=u8::MAX).filter(|tag| !b"RK23CWdcGHDIEVvnNAtS1sZT".contains(tag)) {
        malformed(tag, b"");
        malformed(tag, b"\0\0\0\0");
    }
}

#[test]
fn ready_for_query() {
    for (byte, status) in [
        (b'I', TransactionStatus::Idle),
        (b'T', TransactionStatus::InTransaction),
        (b'E', TransactionStatus::Failed),
    ] {
        check(b'Z', [byte], Message::ReadyForQuery(status));
        assert_eq!(status as u8, byte);
    }
    malformed(b'Z', b"i");
}

#[test]
fn command_complete() {
    check(
        b'C',
        b"INSERT 0 12\0",
        Message::CommandComplete("INSERT 0 12"),
    );
    assert_eq!(command_tag(b"BEGIN\0"), Ok("BEGIN"));
    malformed(b'C', b"SELECT \xff\0");
    malformed(b'C', b"SELECT\0 1\0");
}

#[test]
fn data_row_values() {
    let long = [b'x'; 1_000];
    let values: [Option<&[u8]>; 5] = [Some(b"a"), None, Some(b""), Some(&long), None];
    for count in 0..=values.len() {
        let body = row(&values[..count]);
        let parsed = DataRow::new(&body).expect("a row");
        check(b'D', &body, Message::DataRow(parsed));
        assert_eq!(parsed.len(), count);
        assert_eq!(parsed.is_empty(), count == 0);
        assert_eq!(parsed.iter().len(), count);
        assert_eq!(parsed.iter().collect::<Vec<_>>(), &values[..count]);
        assert_eq!(parsed.into_iter().nth(count), None);
    }
    let mut walked = DataRow::new(b"\0\x02\0\0\0\x01a\xff\xff\xff\xff")
        .expect("a row")
        .iter();
    assert_eq!((walked.len(), walked.next()), (2, Some(Some(&b"a"[..]))));
    assert_eq!((walked.len(), walked.next()), (1, Some(None)));
    assert_eq!((walked.len(), walked.next()), (0, None));
    assert_eq!(walked.next(), None);
}

#[test]
fn data_row_lengths_that_lie() {
    for body in [
        "",
        "00",
        "0001",
        "0000 00",
        "0001 fffffffe",
        "0001 80000000",
        "0001 7fffffff 61",
        "0001 00000002 61",
        "0001 00000001 6161",
        "ffff ffffffff",
        "0002 00000000",
    ] {
        malformed(b'D', hex(&body.replace(' ', "")));
    }
}

fn column(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        table_oid: 0x8000_0001,
        attribute: -7,
        type_oid: 1043,
        type_size: -1,
        type_modifier: 24,
        format: Format::Binary,
    }
}

fn column_bytes(name: &[u8]) -> Vec<u8> {
    let rest = hex("80000001fff900000413ffff000000180001");
    [string(name), rest].concat()
}

#[test]
fn row_descriptions() {
    let columns = ["id", "", "größe", "id"].map(column);
    let mut body = vec![0, 4];
    for column in &columns {
        body.extend(column_bytes(column.name.as_bytes()));
    }
    assert_eq!(row_description(&body), Ok(columns.to_vec()));
    check(b'T', &body, Message::RowDescription(columns.to_vec()));
    check(b'T', [0, 0], Message::RowDescription(Vec::new()));
    let text = [&[0, 1][..], &column_bytes(b"t")[..18], &[0, 0]].concat();
    assert_eq!(
        row_description(&text).expect("a column")[0].format,
        Format::Text
    );
    malformed(b'T', [&[0, 1][..], &column_bytes(b"\xff")].concat());
    malformed(
        b'T',
        [&[0, 1][..], &column_bytes(b"t")[..18], &[0, 2]].concat(),
    );
    // Most columns that can be claimed, and none there.
    malformed(b'T', [0xff, 0xff]);
}

#[test]
fn parameter_descriptions() {
    let body = hex("0002 00000017 ffffffff".replace(' ', "").as_str());
    assert_eq!(parameter_description(&body), Ok(vec![23, u32::MAX]));
    check(
        b't',
        &body,
        Message::ParameterDescription(vec![23, u32::MAX]),
    );
    // More than an i16 counts.
    let many = [&[0xff, 0xff][..], &[0; 65_535 * 4]].concat();
    assert_eq!(parameter_description(&many), Ok(vec![0; 65_535]));
}

#[test]
fn copy_responses() {
    let expected = CopyResponse {
        format: Format::Binary,
        column_formats: vec![Format::Binary, Format::Text],
    };
    let body = [1, 0, 2, 0, 1, 0, 0];
    check(b'G', body, Message::CopyInResponse(expected.clone()));
    check(b'H', body, Message::CopyOutResponse(expected.clone()));
    check(b'W', body, Message::CopyBothResponse(expected));
    malformed(b'G', [2, 0, 0]);
    malformed(b'H', [0, 0, 1, 1, 0]);
}

#[test]
fn copy_data_is_taken_as_it_is() {
    for data in [&b""[..], b"a\tb\n", b"\0\xff"] {
        assert_eq!(Message::parse(b'd', data), Ok(Message::CopyData(data)));
    }
}

#[test]
fn errors_and_notices() {
    let body = b"SERROR\0VERROR\0C42703\0Mcolumn \"x\" does not exist\0P8\0p3\0\
        qSELECT 1\0Dd\0Hh\0Ww\0ss\0tt\0cc\0dd\0nn\0Zunknown\0Fparse.c\0L3650\0Rerror\0\0";
    let fields = ErrorFields::new(body).expect("fields");
    check(b'E', body, Message::ErrorResponse(fields));
    check(b'N', body, Message::NoticeResponse(fields));
    assert_eq!(fields.sqlstate().as_deref(), Some("42703"));
    assert_eq!(
        fields.message().as_deref(),
        Some("column \"x\" does not exist")
    );
    assert_eq!(fields.get(b'Z').as_deref(), Some("unknown"));
    assert_eq!(fields.get(b'x'), None);
    assert_eq!(fields.get(0), None);
    assert_eq!(fields.iter().count(), 19);
    let named: Vec<_> = fields.named().map(|(name, _)| name).collect();
    assert_eq!(
        named,
        [
            "severity",
            "severity_v",
            "code",
            "message",
            "position",
            "internal_position",
            "internal_query",
            "detail",
            "hint",
            "where",
            "schema",
            "table",
            "column",
            "data_type",
            "constraint",
            "file",
            "line",
            "routine"
        ]
    );
    check(
        b'E',
        b"\0",
        Message::ErrorResponse(ErrorFields::new(b"\0").expect("no field")),
    );
    malformed(b'E', b"Mnever ends");
    malformed(b'E', b"Mnot the last\0\0more");
}

#[test]
fn an_error_in_another_encoding_can_be_read() {
    let fields = ErrorFields::new(b"C28P01\0MPasswort ung\xfcltig\0\0").expect("fields");
    assert_eq!(
        fields.message().as_deref(),
        Some("Passwort ung\u{fffd}ltig")
    );
    assert_eq!(fields.sqlstate().as_deref(), Some("28P01"));
}

#[test]
fn notifications() {
    check(
        b'A',
        b"\0\0\x01\x02jobs\0{\"id\": 1}\0",
        Message::NotificationResponse(NotificationResponse {
            pid: 0x102,
            channel: "jobs".into(),
            payload: "{\"id\": 1}".into(),
        }),
    );
    assert_eq!(
        Message::parse(b'A', b"\0\0\0\x01a\0\xff\0"),
        Ok(Message::NotificationResponse(NotificationResponse {
            pid: 1,
            channel: "a".into(),
            payload: "\u{fffd}".into(),
        }))
    );
}

#[test]
fn settings_and_keys() {
    check(
        b'S',
        b"TimeZone\0Europe/Berlin\0",
        Message::ParameterStatus(ParameterStatus {
            name: "TimeZone",
            value: "Europe/Berlin",
        }),
    );
    malformed(b'S', b"a\0\xff\0");
    for key in [&[1, 2, 3, 4][..], &[7; 32], &[9; 256]] {
        assert_eq!(
            Message::parse(b'K', &[&[0, 0, 4, 1][..], key].concat()),
            Ok(Message::BackendKeyData(BackendKeyData { pid: 1025, key }))
        );
    }
    for key in [&[][..], &[1; 3], &[1; 257]] {
        malformed(b'K', [&[0, 0, 4, 1][..], key].concat());
    }
    malformed(b'K', [0, 0, 4]);
}

#[test]
fn negotiation() {
    let expected = NegotiateProtocolVersion {
        newest_minor: 2,
        unsupported: vec!["_pq_.a", "_pq_.b"],
    };
    for version in ["00000002", "00030002"] {
        let options = b"_pq_.a\0_pq_.b\0";
        let body = [&hex(version)[..], &[0, 0, 0, 2], options].concat();
        check(
            b'v',
            body,
            Message::NegotiateProtocolVersion(expected.clone()),
        );
    }
    malformed(b'v', hex("00000000ffffffff"));
}

#[test]
fn function_results() {
    check(
        b'V',
        b"\0\0\0\x02ab",
        Message::FunctionCallResponse(Some(b"ab")),
    );
    check(
        b'V',
        b"\xff\xff\xff\xff",
        Message::FunctionCallResponse(None),
    );
    malformed(b'V', hex("fffffffe"));
}

#[test]
fn authentication_requests() {
    let salt = [1, 2, 3, 0xff];
    for (code, rest, expected) in [
        (0, &b""[..], Authentication::Ok),
        (2, b"", Authentication::Unsupported("Kerberos V5")),
        (3, b"", Authentication::CleartextPassword),
        (5, &salt, Authentication::Md5Password { salt }),
        (7, b"", Authentication::Unsupported("GSSAPI")),
        (9, b"", Authentication::Unsupported("SSPI")),
    ] {
        let body = [&[0, 0, 0, code][..], rest].concat();
        check(b'R', body, Message::Authentication(expected));
    }
    for (code, expected) in [
        (11, Authentication::SaslContinue(b"r=\xff")),
        (12, Authentication::SaslFinal(b"r=\xff")),
    ] {
        assert_eq!(
            Message::parse(b'R', &[0, 0, 0, code, b'r', b'=', 0xff]),
            Ok(Message::Authentication(expected))
        );
    }
    for code in [
        "", "000000", "00000001", "00000004", "00000006", "00000008", "0000000d", "ff000000",
    ] {
        malformed(b'R', hex(code));
    }
}

#[test]
fn sasl_mechanisms() {
    let body = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
    let parsed = Message::parse(b'R', body).expect("mechanisms");
    check(b'R', body, parsed.clone());
    let Message::Authentication(Authentication::Sasl(offered)) = parsed else {
        panic!("{parsed:?}");
    };
    assert_eq!(
        offered.iter().collect::<Vec<_>>(),
        ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
    );
    assert!(offered.contains("SCRAM-SHA-256"));
    assert!(!offered.contains("SCRAM"));
    assert!(!offered.contains(""));
    malformed(b'R', b"\0\0\0\x0a\xff\0\0");
}

#[test]
fn answers_to_a_tls_request() {
    assert_eq!(tls_answer(b'S'), Ok(TlsAnswer::Accepted));
    assert_eq!(tls_answer(b'N'), Ok(TlsAnswer::Refused));
    for byte in (0..=u8::MAX).filter(|byte| !b"SN".contains(byte)) {
        assert!(matches!(tls_answer(byte), Err(Error::PostgresProtocol(_))));
    }
}
