//! Log-ins: each method, the order of its messages, and what a server must not get away with.

mod common;

use bytes::BytesMut;
use common::postgres::{frame, message, string};
use protocols::Error;
use protocols::postgres::{
    AuthStep, Authentication, Authenticator, LoginMethod, Message, SaltedPassword, salted_password,
};

const NONCE: [u8; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
const HASH: [u8; 32] = {
    let mut hash = [0; 32];
    let mut at = 0;
    while at < 32 {
        hash[at] = at as u8;
        at += 1;
    }
    hash
};
const SERVER_FIRST: &str = "r=AAECAwQFBgcICQoLDA0ODxAR3rfcNHYJY1ZVvWVs7j,\
    s=c2FsdHkgc2FsdCAxNmJ5dA==,i=4096";
const BOUND: (&str, &str) = (
    "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "MkNR8pgmTmf1V105/rWlDvEtVYScyAPqOcpvYfkBVWM=",
);
const BOUND_SIGNATURE: &str = "v=E5o1ZyF7v+9FWUtnwkjOEQO337u4MO93mMgKB1X7LR8=";
const UNBOUND_SIGNATURE: &str = "v=JKkkYnP5TMM7qaXprBgAJVqdHcFM76yoQtYE/aM4FQA=";

fn login(password: Option<&[u8]>, channel_binding: Option<&[u8]>) -> Authenticator {
    Authenticator::new(
        "alice",
        password.map(<[u8]>::to_vec),
        channel_binding.map(<[u8]>::to_vec),
        &NONCE,
    )
}

/// What comes of a request with this code and the rest of its body, and what is sent.
fn asked(
    login: &mut Authenticator,
    code: u8,
    rest: impl AsRef<[u8]>,
) -> Result<(AuthStep, Vec<u8>), Error> {
    let raw = message(b'R', [&[0, 0, 0, code], rest.as_ref()].concat());
    let (tag, body) = frame(raw).expect("a frame").expect("whole");
    let Ok(Message::Authentication(request)) = Message::parse(tag, &body) else {
        panic!("{body:?}");
    };
    let mut out = BytesMut::new();
    let step = login.message(request, &mut out);
    if step.is_err() {
        assert!(out.is_empty(), "nothing is sent with an error");
    }
    Ok((step?, out.to_vec()))
}

const GOES_ON: AuthStep = AuthStep::Continue;
const OK: u8 = 0;
const CLEARTEXT: u8 = 3;
const MD5: u8 = 5;
const SASL: u8 = 10;
const SASL_CONTINUE: u8 = 11;
const SASL_FINAL: u8 = 12;
const SCRAM: &[u8] = b"SCRAM-SHA-256\0\0";
const PLUS: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";

fn done(login: &mut Authenticator) {
    assert!(!login.is_done());
    assert_eq!(asked(login, OK, b""), Ok((AuthStep::Done, Vec::new())));
    assert!(login.is_done());
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    match outcome {
        Err(Error::PostgresAuthentication(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn out_of_order<T: std::fmt::Debug + PartialEq>(outcome: Result<T, Error>) {
    assert_eq!(
        outcome,
        Err(Error::PostgresProtocol(
            "PostgreSQL authentication messages are out of order"
        ))
    );
}

/// The proof of a SCRAM log-in that was begun with these mechanisms.
fn proof(login: &mut Authenticator, mechanisms: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (step, first) = asked(login, SASL, mechanisms).expect("begun");
    assert_eq!(step, GOES_ON);
    let (step, nothing) = asked(login, SASL_CONTINUE, SERVER_FIRST).expect("a challenge");
    assert!(nothing.is_empty());
    let AuthStep::NeedsKey { salt, iterations } = step else {
        panic!("{step:?}");
    };
    let key = salted_password(login.password().expect("a password"), &salt, iterations);
    let mut out = BytesMut::new();
    login.key(&key, &mut out).expect("a proof");
    (first, out.to_vec())
}

fn first_message(mechanism: &str, data: &str) -> Vec<u8> {
    let length = (data.len() as u32).to_be_bytes();
    let body = [&string(mechanism), &length[..], data.as_bytes()].concat();
    message(b'p', body)
}

#[test]
fn trust_and_certificates() {
    done(&mut login(None, None));
    done(&mut login(Some(b"s3cret"), Some(&HASH)));
}

#[test]
fn cleartext() {
    let mut login = login(Some(b"s3cret"), None);
    assert_eq!(
        asked(&mut login, CLEARTEXT, b""),
        Ok((GOES_ON, message(b'p', b"s3cret\0")))
    );
    done(&mut login);
}

/// The expected hash was computed with Python's hashlib.
#[test]
fn md5() {
    let mut login = login(Some(b"s3cret"), None);
    assert_eq!(
        asked(&mut login, MD5, [1, 2, 3, 4]),
        Ok((
            GOES_ON,
            message(b'p', b"md5b79948bbeb35dee03ab8fe15a839030b\0")
        ))
    );
    done(&mut login);
}

#[test]
fn scram_with_and_without_channel_binding() {
    let nonce = "AAECAwQFBgcICQoLDA0ODxAR";
    // Whether the server offers it, whether TLS gives a hash, and what comes of it.
    for (offered, hash, mechanism, header, signature) in [
        (SCRAM, None, "SCRAM-SHA-256", "n,,", UNBOUND_SIGNATURE),
        (PLUS, None, "SCRAM-SHA-256", "n,,", UNBOUND_SIGNATURE),
        (
            SCRAM,
            Some(&HASH[..]),
            "SCRAM-SHA-256",
            "y,,",
            "v=QwLW4BxNh6btb7+BbsGJwigzCFdU8AmhkIAY+6pkdgI=",
        ),
        (
            PLUS,
            Some(&HASH),
            "SCRAM-SHA-256-PLUS",
            "p=tls-server-end-point,,",
            BOUND_SIGNATURE,
        ),
    ] {
        let mut login = login(Some(b"s3cret"), hash);
        let (first, last) = proof(&mut login, offered);
        assert_eq!(
            first,
            first_message(mechanism, &format!("{header}n=,r={nonce}"))
        );
        if hash.is_some() && offered == PLUS {
            let (c, p) = BOUND;
            let expected = format!("c={c},r={nonce}3rfcNHYJY1ZVvWVs7j,p={p}");
            assert_eq!(last, message(b'p', expected));
        }
        assert_eq!(
            asked(&mut login, SASL_FINAL, signature),
            Ok((GOES_ON, Vec::new()))
        );
        done(&mut login);
    }
}

#[test]
fn a_server_that_does_not_prove_itself() {
    let mut shown_nothing = login(Some(b"s3cret"), None);
    proof(&mut shown_nothing, SCRAM);
    out_of_order(asked(&mut shown_nothing, OK, b""));
    assert!(!shown_nothing.is_done());

    let mut shown_another = login(Some(b"s3cret"), None);
    proof(&mut shown_another, SCRAM);
    assert_eq!(
        refused(asked(&mut shown_another, SASL_FINAL, BOUND_SIGNATURE)),
        "PostgreSQL server does not know the password"
    );
    out_of_order(asked(&mut shown_another, OK, b""));

    let mut not_asked_for_it = login(Some(b"s3cret"), None);
    asked(&mut not_asked_for_it, SASL, SCRAM).expect("begun");
    out_of_order(asked(&mut not_asked_for_it, OK, b""));
}

#[test]
fn order() {
    let bodies: [(u8, &[u8]); 7] = [
        (OK, b""),
        (CLEARTEXT, b""),
        (MD5, b"salt"),
        (SASL, SCRAM),
        (SASL_CONTINUE, SERVER_FIRST.as_bytes()),
        (SASL_FINAL, b"v="),
        (7, b""),
    ];
    type Prepare = fn(&mut Authenticator);
    let states: [(Prepare, &[u8]); 6] = [
        (|_| (), &[OK, CLEARTEXT, MD5, SASL, 7]),
        (
            |login| drop(asked(login, CLEARTEXT, b"").expect("sent")),
            &[OK],
        ),
        (
            |login| drop(asked(login, SASL, SCRAM).expect("begun")),
            &[SASL_CONTINUE],
        ),
        (
            |login| {
                asked(login, SASL, SCRAM).expect("begun");
                asked(login, SASL_CONTINUE, SERVER_FIRST).expect("a challenge");
            },
            &[],
        ),
        (|login| drop(proof(login, SCRAM)), &[SASL_FINAL]),
        (done, &[]),
    ];
    for (prepare, allowed) in states {
        for (code, rest) in bodies {
            let mut login = login(Some(b"s3cret"), None);
            prepare(&mut login);
            let outcome = asked(&mut login, code, rest);
            if allowed.contains(&code) {
                let refused = matches!(outcome, Err(Error::PostgresAuthentication(_)));
                assert_eq!(outcome.is_err(), refused, "{outcome:?}");
            } else {
                out_of_order(outcome);
                // What failed has failed.
                out_of_order(asked(&mut login, OK, b""));
            }
        }
    }
}

#[test]
fn a_key_that_nobody_asked_for() {
    let key = SaltedPassword::from([0; 32]);
    let mut login = login(Some(b"s3cret"), None);
    assert_eq!(
        refused(login.key(&key, &mut BytesMut::new())),
        "PostgreSQL log-in has no use for a key now"
    );
    out_of_order(asked(&mut login, OK, b""));
}

#[test]
fn no_password() {
    for password in [None, Some(&b""[..])] {
        for (code, rest) in [(CLEARTEXT, &b""[..]), (MD5, b"salt"), (SASL, SCRAM)] {
            let mut login = login(password, None);
            assert_eq!(login.password(), None);
            assert_eq!(
                refused(asked(&mut login, code, rest)),
                "PostgreSQL server asks for a password and none was given"
            );
        }
    }
}

#[test]
fn methods_that_are_not_spoken() {
    for (code, name) in [(2, "an authentication method"), (7, "GSSAPI"), (9, "SSPI")] {
        let reason = refused(asked(&mut login(Some(b"s3cret"), None), code, b""));
        assert!(reason.contains(name), "{reason}");
    }
    for offered in [&b"\0"[..], b"OAUTHBEARER\0\0", b"SCRAM-SHA-256-PLUS\0\0"] {
        assert_eq!(
            refused(asked(&mut login(Some(b"s3cret"), None), SASL, offered)),
            "PostgreSQL server offers no SASL mechanism that this client speaks"
        );
    }
}

#[test]
fn channel_binding_that_is_required() {
    let required = |hash| login(Some(b"s3cret"), hash).require_channel_binding();
    let reason = "PostgreSQL server does not bind the log-in to the TLS connection, \
        which is required";
    for (code, rest) in [
        (OK, &b""[..]),
        (CLEARTEXT, b""),
        (MD5, b"salt"),
        (SASL, SCRAM),
    ] {
        assert_eq!(
            refused(asked(&mut required(Some(&HASH)), code, rest)),
            reason
        );
    }
    assert_eq!(refused(asked(&mut required(None), SASL, PLUS)), reason);
    let mut login = required(Some(&HASH));
    proof(&mut login, PLUS);
    asked(&mut login, SASL_FINAL, BOUND_SIGNATURE).expect("proven");
    done(&mut login);
}

#[test]
fn methods_that_are_required() {
    let asks = [
        (OK, &b""[..], "none", "no proof"),
        (CLEARTEXT, b"", "password", "the password itself"),
        (MD5, b"salt", "md5", "an MD5 hash"),
        (SASL, SCRAM, "scram-sha-256", "SCRAM"),
    ];
    for (code, rest, name, words) in asks {
        for allowed in ["none", "password", "md5", "scram-sha-256"] {
            let method = LoginMethod::named(allowed).expect("a method");
            let mut login = login(Some(b"s3cret"), None).require_methods(vec![method]);
            let told = asked(&mut login, code, rest);
            if allowed == name {
                assert!(told.is_ok(), "{name}");
            } else {
                let reason = refused(told);
                assert!(reason.ends_with(words), "{reason}");
            }
        }
    }
    assert_eq!(LoginMethod::named("gss"), None);
}

#[test]
fn a_password_that_cannot_be_sent() {
    let mut login = login(Some(b"a\0b"), None);
    let mut out = BytesMut::new();
    assert_eq!(
        login.message(Authentication::CleartextPassword, &mut out),
        Err(Error::PostgresRequest(
            "text for PostgreSQL has a NUL in it"
        ))
    );
    assert!(out.is_empty());
}
