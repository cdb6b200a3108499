//! Settings that cannot be, each with words that say why.

use runtime::postgres::tls::{Roots, TlsMode, TlsSettings, TlsVersion, session};

use crate::certificates::certificates;

fn problem(settings: &TlsSettings) -> String {
    settings.client_config().unwrap_err().to_string()
}

#[test]
fn what_does_not_go_together() {
    use TlsVersion::{Tls11, Tls12, Tls13};
    let root = || Roots::Pem(certificates().read("root.crt"));
    let of = |mode, roots| TlsSettings {
        mode,
        roots,
        ..TlsSettings::default()
    };
    let lists = |list: &[u8]| TlsSettings {
        revocation_lists: vec![list.to_vec()],
        ..of(TlsMode::VerifyCa, root())
    };
    let versions = |min, max| TlsSettings {
        version_min: Some(min),
        version_max: Some(max),
        ..TlsSettings::default()
    };
    let malformed = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    let no_list = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    for (settings, expected) in [
        (of(TlsMode::VerifyCa, Roots::None), "give sslrootcert"),
        (of(TlsMode::VerifyFull, Roots::None), "give sslrootcert"),
        (of(TlsMode::Require, Roots::System), "sslmode=verify-full"),
        (of(TlsMode::VerifyCa, Roots::System), "sslmode=verify-full"),
        (
            of(TlsMode::Require, Roots::Pem(Vec::new())),
            "there are no root certificates",
        ),
        (
            of(TlsMode::Require, Roots::Pem(malformed.to_vec())),
            "the root certificates are bad",
        ),
        (
            of(
                TlsMode::Require,
                Roots::Pem(certificates().read("root.key")),
            ),
            "there are no root certificates",
        ),
        (lists(b"nothing"), "there is no certificate revocation list"),
        (lists(no_list), "the certificate revocation list is bad"),
        (versions(Tls11, Tls11), "TLS 1.1 and older"),
        (versions(Tls13, Tls12), "newer than the newest"),
    ] {
        let found = problem(&settings);
        assert!(found.contains(expected), "{found}");
    }
    assert!(versions(Tls11, Tls12).client_config().is_ok());
}

#[test]
fn the_systems_roots() {
    let settings = TlsSettings {
        mode: TlsMode::VerifyFull,
        roots: Roots::System,
        ..TlsSettings::default()
    };
    // A machine without any says so.
    if let Err(error) = settings.client_config() {
        assert!(error.to_string().contains("root certificate"), "{error}");
    }
}

#[test]
fn names_of_versions() {
    for (name, version) in [
        ("TLSv1", TlsVersion::Tls10),
        ("TLSv1.1", TlsVersion::Tls11),
        ("tlsv1.2", TlsVersion::Tls12),
        ("TLSv1.3", TlsVersion::Tls13),
    ] {
        assert_eq!(name.parse(), Ok(version));
    }
    for name in ["", "TLSv1.4", "SSLv3", "1.2"] {
        assert!(name.parse::<TlsVersion>().is_err());
    }
}

#[test]
fn hosts_that_no_certificate_can_be_for() {
    let config = TlsSettings::default().client_config().unwrap();
    for host in ["localhost", "db_1.internal", "10.0.0.1", "::1"] {
        assert!(session(&config, host).is_ok(), "{host}");
    }
    for host in ["", "a b", "/var/run/postgresql"] {
        let error = session(&config, host).unwrap_err().to_string();
        assert!(error.contains("no name"), "{error}");
    }
}
