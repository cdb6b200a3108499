//! TLS on a wire: handshakes, bulk, ends, and what a log-in is bound to.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use runtime::postgres::tls::{
    ALPN, ClientCertificate, TlsSettings, TlsVersion, check_direct, server_end_point, session,
};
use runtime::postgres::{Flushed, Received, Wire};
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::certificates::certificates;
use crate::peer::{Server, end, receive, send, shake_hands, talk, tls_wire, wait};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

const LARGE: usize = 5_000_000;

#[test]
fn bulk_in_both_directions() {
    for version in [&TLS12, &TLS13] {
        let versions = &[version];
        let server = Server {
            versions,
            ..Server::new("good")
        };
        let (mut wire, theirs) = tls_wire(&TlsSettings::default(), "localhost");
        let served = server.serve(theirs, |stream| {
            let mut read = vec![0; LARGE];
            stream.read_exact(&mut read).unwrap();
            stream.write_all(&read).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        });
        shake_hands(&mut wire).unwrap();
        assert_eq!(
            wire.tls().unwrap().protocol_version(),
            Some(version.version)
        );
        let sent = pattern(LARGE);
        wire.output().extend_from_slice(&sent);
        send(&mut wire).unwrap();
        assert!(receive(&mut wire, LARGE).unwrap() == sent);
        assert_eq!(end(&mut wire).unwrap(), Received::Closed);
        served.join().unwrap().unwrap();
    }
}

#[test]
fn output_waits_for_the_handshake() {
    let (mut wire, theirs) = tls_wire(&TlsSettings::default(), "localhost");
    wire.output().extend_from_slice(b"startup");
    assert!(wire.wants_write(), "the client speaks first");
    assert_eq!(wire.flush().unwrap(), Flushed::All);
    assert!(!wire.wants_write(), "now it is the server's turn");
    assert_eq!(&wire.output()[..], b"startup");
    let served = Server::new("good").serve(theirs, |stream| {
        let mut read = [0; 7];
        stream.read_exact(&mut read).unwrap();
        read
    });
    while !wire.output().is_empty() {
        wait(&wire);
        wire.receive().unwrap();
        wire.flush().unwrap();
    }
    assert_eq!(&served.join().unwrap().unwrap(), b"startup");
}

#[test]
fn a_close_is_told_from_a_cut() {
    let (mut wire, theirs) = tls_wire(&TlsSettings::default(), "localhost");
    let served = Server::new("good").serve(theirs, |stream| stream.write_all(b"half"));
    shake_hands(&mut wire).unwrap();
    assert_eq!(receive(&mut wire, 4).unwrap(), b"half");
    // The thread is over, and with it the socket.
    served.join().unwrap().unwrap().unwrap();
    let error = end(&mut wire).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(wire.receive().unwrap(), Received::Closed);

    let (mut wire, theirs) = tls_wire(&TlsSettings::default(), "localhost");
    let served = Server::new("good").serve(theirs, |stream| {
        stream.write_all(b"whole").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| rest)
    });
    shake_hands(&mut wire).unwrap();
    assert_eq!(end(&mut wire).unwrap(), Received::Closed);
    assert_eq!(wire.input(), b"whole");
    wire.output().extend_from_slice(b"X");
    wire.close_tls().unwrap();
    send(&mut wire).unwrap();
    assert_eq!(served.join().unwrap().unwrap().unwrap(), b"X");
}

#[test]
fn a_server_that_does_not_speak_tls() {
    let (mut wire, mut theirs) = tls_wire(&TlsSettings::default(), "localhost");
    theirs
        .write_all(b"N, and what else did you expect?")
        .unwrap();
    let error = shake_hands(&mut wire).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.get_ref().unwrap().is::<rustls::Error>());
    assert_eq!(wire.receive().unwrap(), Received::Closed);
    // It is told why: an alert follows the hello.
    assert!(wire.wants_write());
    wire.flush().unwrap();
    drop(wire);
    let mut told = Vec::new();
    theirs.read_to_end(&mut told).unwrap();
    assert_eq!(told[told.len() - 7..][..5], *b"\x15\x03\x03\0\x02");
}

#[test]
fn versions() {
    let settings = |min, max| TlsSettings {
        version_min: min,
        version_max: max,
        ..TlsSettings::default()
    };
    use TlsVersion::{Tls10, Tls12, Tls13};
    for (settings, versions, spoken) in [
        (
            settings(None, None),
            &[&TLS12][..],
            ProtocolVersion::TLSv1_2,
        ),
        (
            settings(None, None),
            &[&TLS12, &TLS13],
            ProtocolVersion::TLSv1_3,
        ),
        (
            settings(Some(Tls10), Some(Tls12)),
            &[&TLS12, &TLS13],
            ProtocolVersion::TLSv1_2,
        ),
        (
            settings(Some(Tls13), None),
            &[&TLS12, &TLS13],
            ProtocolVersion::TLSv1_3,
        ),
    ] {
        let server = Server {
            versions,
            ..Server::new("good")
        };
        let wire = talk(&server, &settings, "localhost").unwrap();
        assert_eq!(wire.tls().unwrap().protocol_version(), Some(spoken));
    }
    let server = Server {
        versions: &[&TLS12],
        ..Server::new("good")
    };
    let refused = talk(&server, &settings(Some(Tls13), None), "localhost");
    assert!(refused.unwrap_err().contains("alert"));
}

#[test]
fn direct_tls_names_its_protocol() {
    let direct = TlsSettings {
        is_direct: true,
        ..TlsSettings::default()
    };
    let server = Server {
        alpn: &[b"http/1.1", ALPN],
        ..Server::new("good")
    };
    let wire = talk(&server, &direct, "localhost").unwrap();
    assert_eq!(check_direct(wire.tls().unwrap()), Ok(()));
    // A server that does not know the extension, and one that speaks something else.
    let wire = talk(&Server::new("good"), &direct, "localhost").unwrap();
    assert!(check_direct(wire.tls().unwrap()).is_err());
    let other = Server {
        alpn: &[b"http/1.1"],
        ..Server::new("good")
    };
    assert!(talk(&other, &direct, "localhost").is_err());
    // Behind a request nothing is named.
    let wire = talk(&other, &TlsSettings::default(), "localhost").unwrap();
    assert_eq!(wire.tls().unwrap().alpn_protocol(), None);
}

#[test]
fn channel_binding_uses_the_hash_of_the_signature() {
    for (name, hash) in [
        ("sha1", Some("sha256")),
        ("sha256", Some("sha256")),
        ("sha384", Some("sha384")),
        ("sha512", Some("sha512")),
        ("pss384", Some("sha384")),
        ("old", Some("sha256")),
        ("ed25519", None),
    ] {
        let wire = talk(&Server::new(name), &TlsSettings::default(), "localhost").unwrap();
        let expected = hash.map(|hash| {
            let der = format!("x509 -in {name}.crt -outform der -out {name}.der");
            certificates().openssl(&der);
            certificates().openssl(&format!("dgst -{hash} -binary {name}.der"))
        });
        assert_eq!(server_end_point(wire.tls().unwrap()), expected, "{name}");
    }
    let (wire, _theirs) = tls_wire(&TlsSettings::default(), "localhost");
    assert_eq!(server_end_point(wire.tls().unwrap()), None);
}

#[test]
fn client_certificates_in_every_form() {
    let with = |certificate: &str, key: &str, password: Option<&str>| TlsSettings {
        client_certificate: Some(ClientCertificate {
            certificates: certificates().read(&format!("{certificate}.crt")),
            key: certificates().read(key),
            password: password.map(|password| password.as_bytes().to_vec()),
        }),
        ..TlsSettings::default()
    };
    let server = Server {
        client_root: Some("root"),
        ..Server::new("good")
    };
    for (certificate, key, password) in [
        ("client", "client.key", None),
        ("client", "client.key", Some("of no use")),
        ("client", "client.pkcs1", None),
        ("client", "client.pkcs8", Some("s3cret")),
        ("client", "client.scrypt", Some("s3cret")),
        ("client", "client.aes128", Some("s3cret")),
        ("client", "client.aes192", Some("s3cret")),
        ("client", "client.aes256", Some("s3cret")),
        ("client-ec", "client-ec.key", None),
        ("client-ec", "client-ec.sec1", None),
        ("client-ec", "client-ec.aes256", Some("s3cret")),
    ] {
        talk(&server, &with(certificate, key, password), "localhost")
            .unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    assert!(talk(&server, &TlsSettings::default(), "localhost").is_err());
    // It is sent; this server does not read it.
    let old = talk(
        &server,
        &with("client-old", "client-old.key", None),
        "localhost",
    );
    // The alert, or the reset that overtakes it.
    let error = old.unwrap_err();
    let known = ["alert", "reset", "pipe"];
    assert!(
        known.iter().any(|word| error.to_lowercase().contains(word)),
        "{error}"
    );

    for (certificate, key, password, problem) in [
        ("client", "client.pkcs8", None, "there is no sslpassword"),
        ("client", "client.aes256", None, "there is no sslpassword"),
        (
            "client",
            "client.pkcs8",
            Some("wrong"),
            "sslpassword is wrong",
        ),
        ("client", "client.aes256", Some("wrong"), "cannot be"),
        ("client", "client.des3", Some("s3cret"), "DES-EDE3-CBC"),
        ("client", "client-ec.key", None, "does not belong"),
        ("client", "client.crt", None, "there is no private key"),
    ] {
        let error = with(certificate, key, password)
            .client_config()
            .unwrap_err();
        assert!(error.to_string().contains(problem), "{key}: {error}");
    }
}

/// OpenSSL's own server; it sends back each line reversed.
struct OpenSsl(Child);

impl Drop for OpenSsl {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn with_openssl_at_the_other_end() {
    for version in ["-tls1_2", "-tls1_3"] {
        let child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev", version])
            .args([
                "-cert",
                "good.crt",
                "-key",
                "good.key",
                "-alpn",
                "postgresql",
            ])
            .current_dir(certificates().path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut openssl = OpenSsl(child);
        let lines = BufReader::new(openssl.0.stdout.take().unwrap()).lines();
        let address = lines
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned))
            .unwrap();
        let socket = TcpStream::connect(address).unwrap();
        let settings = TlsSettings {
            is_direct: true,
            ..TlsSettings::default()
        };
        let config = settings.client_config().unwrap();
        let mut wire = Wire::new(OwnedFd::from(socket));
        wire.set_tls(session(&config, "localhost").unwrap())
            .unwrap();
        shake_hands(&mut wire).unwrap();
        assert_eq!(check_direct(wire.tls().unwrap()), Ok(()));
        assert!(server_end_point(wire.tls().unwrap()).is_some());
        wire.output().extend_from_slice(b"hello\n");
        send(&mut wire).unwrap();
        assert_eq!(receive(&mut wire, 6).unwrap(), b"olleh\n");
    }
}
