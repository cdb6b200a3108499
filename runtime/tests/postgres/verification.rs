//! Which certificates are good, for each mode: libpq's rules.

use std::time::Duration;

use runtime::postgres::tls::{Roots, TlsMode, TlsSettings};
use rustls::version::{TLS12, TLS13};

use crate::certificates::certificates;
use crate::peer::{Server, talk};

/// Trusting the certificates of these names.
fn settings(mode: TlsMode, roots: &[&str]) -> TlsSettings {
    let pem: Vec<u8> = roots
        .iter()
        .flat_map(|name| certificates().read(&format!("{name}.crt")))
        .collect();
    TlsSettings {
        mode,
        roots: if roots.is_empty() {
            Roots::None
        } else {
            Roots::Pem(pem)
        },
        ..TlsSettings::default()
    }
}

fn check(server: &str, settings: &TlsSettings, host: &str, expected: Result<(), &str>) {
    let outcome = talk(&Server::new(server), settings, host).map(|_| ());
    match (&outcome, expected) {
        (Ok(()), Ok(())) => {}
        (Err(error), Err(part)) if error.contains(part) => {}
        _ => panic!("{server} {:?} {host}: {outcome:?}", settings.mode),
    }
}

const NAMES: [&str; 3] = ["good", "leaf", "common"];
const UNKNOWN: &str = "UnknownIssuer";
const EXPIRED: &str = "xpired";
const OTHER_NAME: &str = "not valid for";

#[test]
fn require_without_roots_takes_anybody() {
    for server in [
        "good",
        "leaf",
        "strange",
        "elsewhere",
        "expired",
        "common",
        "old",
        "old-ec",
        "self",
    ] {
        check(server, &settings(TlsMode::Require, &[]), "db.test", Ok(()));
    }
}

#[test]
fn the_chain_is_checked_wherever_there_are_roots() {
    for mode in [TlsMode::Require, TlsMode::VerifyCa] {
        let settings = settings(mode, &["root"]);
        for server in NAMES {
            check(server, &settings, "another.test", Ok(()));
            check(server, &settings, "10.0.0.1", Ok(()));
        }
        check("elsewhere", &settings, "localhost", Ok(()));
        check("strange", &settings, "localhost", Err("BadSignature"));
        check("expired", &settings, "localhost", Err(EXPIRED));
        check(
            "self",
            &settings,
            "localhost",
            Err("invalid peer certificate"),
        );
    }
}

#[test]
fn the_name_is_checked_in_full_mode() {
    let settings = settings(TlsMode::VerifyFull, &["stranger", "root"]);
    for server in NAMES {
        check(server, &settings, "localhost", Ok(()));
        check(server, &settings, "another.test", Err(OTHER_NAME));
        let address = if server == "common" {
            Err(OTHER_NAME)
        } else {
            Ok(())
        };
        check(server, &settings, "127.0.0.1", address);
        check(server, &settings, "127.0.0.2", Err(OTHER_NAME));
    }
    check("strange", &settings, "localhost", Ok(()));
    check("elsewhere", &settings, "db.example.com", Ok(()));
    // Its common name is this, but it names hosts in today's way.
    check("elsewhere", &settings, "localhost", Err(OTHER_NAME));
    check("expired", &settings, "localhost", Err(EXPIRED));
}

#[test]
fn a_certificate_may_be_trusted_itself() {
    for (mode, host, expected) in [
        (TlsMode::VerifyCa, "another.test", Ok(())),
        (TlsMode::VerifyFull, "localhost", Ok(())),
        (TlsMode::VerifyFull, "another.test", Err(OTHER_NAME)),
    ] {
        check("self", &settings(mode, &["self"]), host, expected);
        check("good", &settings(mode, &["good"]), host, expected);
        check("old", &settings(mode, &["old"]), host, expected);
    }
    let trusted = settings(TlsMode::VerifyCa, &["expired"]);
    check("expired", &trusted, "localhost", Err(EXPIRED));
    // Trusting one certificate is not trusting those that it has signed.
    let trusted = settings(TlsMode::VerifyCa, &["good"]);
    check("under-good", &trusted, "localhost", Err(UNKNOWN));
}

#[test]
fn certificates_as_the_manual_makes_them() {
    for (mode, host, expected) in [
        (TlsMode::Require, "another.test", Ok(())),
        (TlsMode::VerifyCa, "another.test", Ok(())),
        (TlsMode::VerifyFull, "localhost", Ok(())),
        (TlsMode::VerifyFull, "another.test", Err(OTHER_NAME)),
    ] {
        let settings = settings(mode, &["stranger", "root"]);
        for server in ["old", "old-ec", "old-strange"] {
            check(server, &settings, host, expected);
        }
        check("old-expired", &settings, host, Err(EXPIRED));
    }
    let settings = settings(TlsMode::VerifyCa, &["root"]);
    check("old-strange", &settings, "localhost", Err(UNKNOWN));
}

#[test]
fn an_old_certificate_does_not_do_without_its_key() {
    // With the key of another: the handshake's signature is wrong.
    for (certificate, key) in [("old", "client"), ("old-ec", "good")] {
        let name = format!("{certificate}-stolen");
        for (from, to) in [(certificate, "crt"), (key, "key")] {
            let from = certificates().path(&format!("{from}.{to}"));
            std::fs::copy(from, certificates().path(&format!("{name}.{to}"))).unwrap();
        }
        for version in [&TLS12, &TLS13] {
            let server = Server {
                versions: &[version],
                ..Server::new(&name)
            };
            let outcome = talk(&server, &settings(TlsMode::Require, &[]), "localhost");
            let error = outcome.map(|_| ()).unwrap_err();
            assert!(error.contains("BadSignature"), "{error}");
            let honest = Server {
                versions: &[version],
                ..Server::new(certificate)
            };
            talk(&honest, &settings(TlsMode::Require, &[]), "localhost").unwrap();
        }
    }
}

#[test]
fn revocation_lists() {
    let with = |list: &str| TlsSettings {
        revocation_lists: vec![certificates().read(&format!("{list}.crl"))],
        ..settings(TlsMode::VerifyFull, &["root"])
    };
    check("good", &with("none"), "localhost", Ok(()));
    check("good", &with("revoking"), "localhost", Err("Revoked"));
    check("common", &with("revoking"), "localhost", Ok(()));
    // The list of the one in the middle is missing.
    check(
        "leaf",
        &with("none"),
        "localhost",
        Err("UnknownRevocationStatus"),
    );
    check(
        "old",
        &with("none"),
        "localhost",
        Err("UnknownRevocationStatus"),
    );
    std::thread::sleep(Duration::from_millis(1_100));
    check(
        "good",
        &with("stale"),
        "localhost",
        Err("revocation list expired"),
    );
}
