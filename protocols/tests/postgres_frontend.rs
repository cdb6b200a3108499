//! Messages to a PostgreSQL server, byte for byte, and what is refused without a trace.

mod common;

use bytes::{BufMut, BytesMut};
use common::postgres::{hex, message};
use protocols::Error;
use protocols::postgres::frontend::{self, EXECUTE_SYNC, SYNC, Target};
use protocols::postgres::{BindTemplate, Format, IsNull};

const BEFORE: &[u8] = b"what was there";

/// What `write` appends; it must leave alone what is there.
fn written<E: PartialEq + std::fmt::Debug>(
    write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut out = BytesMut::from(BEFORE);
    let outcome = write(&mut out);
    assert!(out.starts_with(BEFORE));
    if outcome.is_err() {
        assert_eq!(out, BEFORE, "nothing is left of a message that failed");
    }
    outcome.map(|()| out[BEFORE.len()..].to_vec())
}

fn sure(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    written(|out| {
        write(out);
        Ok::<(), Error>(())
    })
    .expect("written")
}

const NUL: Error = Error::PostgresRequest("text for PostgreSQL has a NUL in it");
const TOO_LARGE: Error = Error::PostgresRequest("message for PostgreSQL is too large to be sent");

#[test]
fn before_the_log_in() {
    assert_eq!(sure(frontend::ssl_request), hex("0000000804d2162f"));
    let startup =
        written(|out| frontend::startup([("user", "größe"), ("application_name", "")], out));
    let body = "\0\x03\0\0user\0größe\0application_name\0\0\0";
    let length = (body.len() as u32 + 4).to_be_bytes();
    assert_eq!(startup, Ok([&length, body.as_bytes()].concat()));
    assert_eq!(
        sure(|out| frontend::cancel_request(0x0102_0304, &[5, 6, 7, 8], out)),
        hex("0000001004d2162e0102030405060708")
    );
    assert_eq!(
        sure(|out| frontend::cancel_request(1, &[9; 32], out)),
        [hex("0000002c04d2162e00000001"), vec![9; 32]].concat()
    );
}

#[test]
fn startup_parameters_that_would_be_others() {
    for (parameters, expected) in [
        (
            [("user", "a"), ("", "b")],
            "PostgreSQL parameter has no name",
        ),
        ([("user", "a\0b"), ("c", "d")], NUL.reason_for_log()),
        ([("user", "a"), ("c\0", "d")], NUL.reason_for_log()),
    ] {
        let refused = written(|out| frontend::startup(parameters, out));
        assert_eq!(refused, Err(Error::PostgresRequest(expected)));
    }
}

#[test]
fn every_message() {
    let sent = |write: &dyn Fn(&mut BytesMut) -> Result<(), Error>| written(write).expect("sent");
    let table = [
        (
            sent(&|out| frontend::password(b"p\xff", out)),
            message(b'p', b"p\xff\0"),
        ),
        (
            sent(&|out| frontend::sasl_initial_response("SCRAM", b"n,,", out)),
            message(b'p', b"SCRAM\0\0\0\0\x03n,,"),
        ),
        (
            sent(&|out| frontend::sasl_response(b"c=\0", out)),
            message(b'p', b"c=\0"),
        ),
        (
            sent(&|out| frontend::query("SELECT 'ö'", out)),
            message(b'Q', "SELECT 'ö'\0"),
        ),
        (
            sent(&|out| frontend::parse("s", "SELECT $1", [23, 0], out)),
            message(b'P', b"s\0SELECT $1\0\0\x02\0\0\0\x17\0\0\0\0"),
        ),
        (
            sent(&|out| frontend::describe(Target::Statement("s"), out)),
            message(b'D', b"Ss\0"),
        ),
        (
            sent(&|out| frontend::describe(Target::Portal(""), out)),
            message(b'D', b"P\0"),
        ),
        (
            sent(&|out| frontend::close(Target::Statement("s"), out)),
            message(b'C', b"Ss\0"),
        ),
        (
            sent(&|out| frontend::close(Target::Portal("p"), out)),
            message(b'C', b"Pp\0"),
        ),
        (
            sent(&|out| frontend::execute("p", 0x102, out)),
            message(b'E', b"p\0\0\0\x01\x02"),
        ),
        (
            sent(&|out| frontend::copy_data(b"a\0b", out)),
            message(b'd', b"a\0b"),
        ),
        (
            sent(&|out| frontend::copy_fail("no", out)),
            message(b'f', b"no\0"),
        ),
        (sure(frontend::copy_done), message(b'c', b"")),
        (sure(frontend::flush), message(b'H', b"")),
        (sure(frontend::sync), message(b'S', b"")),
        (sure(frontend::terminate), message(b'X', b"")),
        (SYNC.to_vec(), message(b'S', b"")),
        (
            EXECUTE_SYNC.to_vec(),
            [
                sent(&|out| frontend::execute("", 0, out)),
                message(b'S', b""),
            ]
            .concat(),
        ),
    ];
    for (sent, expected) in table {
        assert_eq!(sent, expected);
    }
}

#[test]
fn text_with_a_nul() {
    type Write<'a> = &'a dyn Fn(&mut BytesMut) -> Result<(), Error>;
    let table: [Write<'_>; 10] = [
        &|out| frontend::password(b"a\0b", out),
        &|out| frontend::sasl_initial_response("a\0", b"", out),
        &|out| frontend::query("SELECT '\0'", out),
        &|out| frontend::parse("a\0", "", [], out),
        &|out| frontend::parse("", "a\0", [1], out),
        &|out| frontend::describe(Target::Portal("\0"), out),
        &|out| frontend::close(Target::Statement("\0"), out),
        &|out| frontend::execute("\0", 0, out),
        &|out| frontend::copy_fail("\0", out),
        &|out| {
            let template = BindTemplate::new("", "\0", &[], &[])?;
            template.bind(|_, _| Ok(IsNull::No), out)
        },
    ];
    for write in table {
        assert_eq!(written(write), Err(NUL));
    }
}

#[test]
fn what_the_protocol_cannot_count() {
    assert_eq!(
        written(|out| frontend::parse("", "", vec![0; 65_536], out)),
        Err(TOO_LARGE)
    );
    let most = written(|out| frontend::parse("", "", vec![0; 65_535], out)).expect("sent");
    assert_eq!(most.len(), 9 + 65_535 * 4);
    assert_eq!(
        written(|out| frontend::execute("", 1 << 31, out)),
        Err(Error::PostgresRequest(
            "PostgreSQL row limit is out of range"
        ))
    );
    let many = vec![Format::Text; 65_536];
    for (parameters, results) in [(&many[..], &[][..]), (&[], &many)] {
        let refused = BindTemplate::new("", "", parameters, results);
        assert_eq!(refused.map(|_| ()), Err(TOO_LARGE));
    }
}

/// Integers are not NULL unless they are 0.
fn encode(value: i32, out: &mut BytesMut) -> Result<IsNull, Error> {
    out.put_i32(value);
    Ok(if value == 0 { IsNull::Yes } else { IsNull::No })
}

#[test]
fn bind_and_what_follows_it() {
    use Format::{Binary, Text};
    for (formats, formats_sent) in [
        (&[][..], "0000"),
        (&[Text, Text], "0000"),
        (&[Binary], "00010001"),
        (&[Binary, Binary, Binary], "00010001"),
        (&[Text, Binary], "000200000001"),
        (&[Binary, Binary, Text], "0003000100010000"),
    ] {
        let template = BindTemplate::new("p", "stmt", formats, formats).expect("a template");
        assert_eq!(template.parameters(), formats.len());
        let values = [0x0102_0304_i32, 0, -1];
        let mut body = b"p\0stmt\0".to_vec();
        body.extend(hex(formats_sent));
        body.extend((formats.len() as u16).to_be_bytes());
        for value in &values[..formats.len()] {
            body.extend(hex(if *value == 0 { "ffffffff" } else { "00000004" }));
            if *value != 0 {
                body.extend(value.to_be_bytes());
            }
        }
        body.extend(hex(formats_sent));
        let bind = message(b'B', &body);
        let each = |index: usize, out: &mut BytesMut| encode(values[index], out);
        assert_eq!(written(|out| template.bind(each, out)), Ok(bind.clone()));
        assert_eq!(
            written(|out| template.bind_execute_sync(each, out)),
            Ok([&bind, EXECUTE_SYNC].concat())
        );
    }
}

#[test]
fn bind_with_as_many_parameters_as_there_can_be() {
    let formats = vec![Format::Binary; 65_535];
    let template = BindTemplate::new("", "", &formats, &[]).expect("a template");
    let bind = written(|out| template.bind::<Error>(|_, _| Ok(IsNull::Yes), out)).expect("sent");
    let body = [&hex("000000010001ffff")[..], &[0xff; 65_535 * 4], &[0, 0]].concat();
    assert_eq!(bind, message(b'B', body));
}

#[test]
fn bind_that_fails_leaves_nothing() {
    #[derive(Debug, PartialEq)]
    enum Failure {
        Parameter(usize),
        Request(Error),
    }
    impl From<Error> for Failure {
        fn from(error: Error) -> Self {
            Self::Request(error)
        }
    }
    let template = BindTemplate::new("", "s", &[Format::Binary; 3], &[]).expect("a template");
    for failing in 0..3 {
        let each = |index, out: &mut BytesMut| {
            out.put_u8(1);
            match index == failing {
                true => Err(Failure::Parameter(index)),
                false => Ok(IsNull::No),
            }
        };
        assert_eq!(
            written(|out| template.bind_execute_sync(each, out)),
            Err(Failure::Parameter(failing))
        );
    }
    let none = |_, _: &mut BytesMut| Err(Failure::from(NUL));
    assert_eq!(
        written(|out| template.bind(none, out)),
        Err(Failure::Request(NUL))
    );
}
