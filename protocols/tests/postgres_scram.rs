//! SCRAM as RFC 7677 shows it, with channel binding, and against servers that cheat.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::postgres::hex;
use protocols::Error;
use protocols::postgres::{
    Challenge, ChannelBinding, ITERATIONS_MAX, SaltedPassword, ScramClient, salted_password,
};

const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

/// The exchange of RFC 7677 section 3, as far as the client has begun it.
fn begun() -> ScramClient {
    let nonce = BASE64.decode("rOprNGfwEbeRWgbNEkqO").expect("a nonce");
    ScramClient::new("user", ChannelBinding::Unsupported, &nonce)
}

/// The same, with the client's proof sent.
fn proven() -> ScramClient {
    let mut client = begun();
    let challenge = client.server_first(SERVER_FIRST.as_bytes()).expect("good");
    let key = salted_password(b"pencil", &challenge.salt, challenge.iterations);
    client.client_final(&key).expect("a proof");
    client
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    match outcome {
        Err(Error::PostgresAuthentication(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_exchange_of_rfc_7677() {
    let mut client = begun();
    assert!(!client.is_bound());
    assert_eq!(client.client_first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let challenge = client.server_first(SERVER_FIRST.as_bytes()).expect("good");
    assert_eq!(challenge.iterations, 4096);
    let key = salted_password(b"pencil", &challenge.salt, challenge.iterations);
    assert_eq!(
        client.client_final(&key).as_deref(),
        Ok(
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        )
    );
    assert_eq!(client.server_final(SERVER_FINAL.as_bytes()), Ok(()));
    assert_eq!(
        refused(client.server_final(SERVER_FINAL.as_bytes())),
        "PostgreSQL SCRAM messages are out of order"
    );
}

/// The expected messages were computed with Python's hmac and hashlib.
#[test]
fn channel_binding_goes_into_the_proof() {
    let hash: Vec<u8> = (0..32).collect();
    let nonce: Vec<u8> = (0..18).collect();
    let salt = b"salty salt 16byt".to_vec();
    let nonces = "AAECAwQFBgcICQoLDA0ODxAR3rfcNHYJY1ZVvWVs7j";
    let server_first = format!("r={nonces},s={},i=4096,x=y", BASE64.encode(&salt));
    // Optional extensions stand in the proof; these exchanges have none.
    let server_first = server_first.trim_end_matches(",x=y");
    for (binding, header, c, proof, signature) in [
        (
            ChannelBinding::ServerEndPoint(hash),
            "p=tls-server-end-point,,",
            "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "MkNR8pgmTmf1V105/rWlDvEtVYScyAPqOcpvYfkBVWM=",
            "E5o1ZyF7v+9FWUtnwkjOEQO337u4MO93mMgKB1X7LR8=",
        ),
        (
            ChannelBinding::NotOffered,
            "y,,",
            "eSws",
            "cuu6TjNikZv9f1+6Acp6rtv3wycybTq6rNYmrk3Q9YQ=",
            "QwLW4BxNh6btb7+BbsGJwigzCFdU8AmhkIAY+6pkdgI=",
        ),
        (
            ChannelBinding::Unsupported,
            "n,,",
            "biws",
            "22m427H7k4BF9nQGsiBPbCtf98XI8o/ZoVZ2Pqdq5lc=",
            "JKkkYnP5TMM7qaXprBgAJVqdHcFM76yoQtYE/aM4FQA=",
        ),
    ] {
        let is_bound = header.starts_with('p');
        let mut client = ScramClient::new("", binding, &nonce);
        assert_eq!(client.is_bound(), is_bound);
        assert_eq!(
            client.client_first(),
            format!("{header}n=,r=AAECAwQFBgcICQoLDA0ODxAR")
        );
        let challenge = Challenge {
            salt: salt.clone(),
            iterations: 4096,
        };
        assert_eq!(client.server_first(server_first.as_bytes()), Ok(challenge));
        let key = salted_password(b"s3cret", &salt, 4096);
        assert_eq!(
            client.client_final(&key),
            Ok(format!("c={c},r={nonces},p={proof}"))
        );
        let server_final = format!("v={signature}");
        assert_eq!(client.server_final(server_final.as_bytes()), Ok(()));
    }
}

/// The expected keys were computed with Python's `hashlib.pbkdf2_hmac`.
#[test]
fn keys_of_passwords() {
    for (password, iterations, key) in [
        (
            &b"password"[..],
            1,
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b",
        ),
        // SASLprep (RFC 4013 section 3): a soft hyphen goes, a Roman numeral becomes letters.
        (
            "I\u{ad}X".as_bytes(),
            2,
            "5324df9e198430f5cc138811af84fdc0d95d3a7c22e3da9c9bdfb6ed8b121ca8",
        ),
        (
            "\u{2168}".as_bytes(),
            2,
            "5324df9e198430f5cc138811af84fdc0d95d3a7c22e3da9c9bdfb6ed8b121ca8",
        ),
        // No UTF-8, and a prohibited character: both are taken as they are.
        (
            b"\xff\xfe",
            2,
            "baa21177ea9d075c25ee455e36352579c102a8f57661a1e0af0a1054c6406a9d",
        ),
        (
            b"a\x07",
            2,
            "6ade703008eef3e9bad7ea464c5f84d0d20d94287e053bb05016c86f12655e2c",
        ),
    ] {
        let found = salted_password(password, b"salt", iterations);
        assert_eq!(found.as_bytes()[..], hex(key), "{password:?}");
        assert_eq!(SaltedPassword::from(*found.as_bytes()), found);
        assert_eq!(format!("{found:?}"), "SaltedPassword(..)");
    }
}

#[test]
fn names_are_escaped() {
    let client = ScramClient::new("a=b,c", ChannelBinding::Unsupported, b"nonce");
    assert_eq!(client.client_first(), "n,,n=a=3Db=2Cc,r=bm9uY2U=");
}

#[test]
fn first_messages_that_cheat() {
    let malformed = "PostgreSQL SCRAM message is malformed";
    let another = "PostgreSQL server answers another SCRAM exchange";
    let iterations = "PostgreSQL server wants an impossible number of SCRAM iterations";
    let too_many = format!("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i={}", ITERATIONS_MAX + 1);
    for (message, reason) in [
        ("", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==", malformed),
        ("s=QQ==,r=rOprNGfwEbeRWgbNEkqOx,i=1", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=Q,i=1", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=-1", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=+1", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=99999999999", malformed),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=0", iterations),
        (&too_many, iterations),
        ("r=,s=QQ==,i=1", another),
        // Another client's nonce, and one that the server added nothing to.
        ("r=sOprNGfwEbeRWgbNEkqOx,s=QQ==,i=1", another),
        ("r=rOprNGfwEbeRWgbNEkqO,s=QQ==,i=1", another),
        (
            "m=new,r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=1",
            "PostgreSQL server wants a SCRAM extension that is unknown",
        ),
    ] {
        let found = begun().server_first(message.as_bytes());
        assert_eq!(refused(found), reason, "{message}");
    }
    assert_eq!(
        refused(begun().server_first(b"r=\xff,s=QQ==,i=1")),
        malformed
    );
    let mut client = begun();
    for expected in [true, false] {
        let outcome = client.server_first(SERVER_FIRST.as_bytes());
        assert_eq!(outcome.is_ok(), expected, "only once");
    }
}

#[test]
fn an_optional_extension_is_let_be() {
    let with_extension = format!("{SERVER_FIRST},x=later");
    let mut client = begun();
    let challenge = client
        .server_first(with_extension.as_bytes())
        .expect("good");
    assert_eq!(challenge.iterations, 4096);
}

#[test]
fn last_messages_that_cheat() {
    for (message, reason) in [
        ("", "PostgreSQL SCRAM message is malformed"),
        ("v", "PostgreSQL SCRAM message is malformed"),
        ("v=!", "PostgreSQL SCRAM message is malformed"),
        ("v=", "PostgreSQL server does not know the password"),
        (
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
            "PostgreSQL SCRAM message is malformed",
        ),
        (
            "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            "PostgreSQL server does not know the password",
        ),
        (
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9",
            "PostgreSQL server does not know the password",
        ),
        (
            "e=invalid-proof",
            "PostgreSQL server refuses the SCRAM proof",
        ),
    ] {
        let mut client = proven();
        assert_eq!(refused(client.server_final(message.as_bytes())), reason);
        // One try only.
        refused(client.server_final(SERVER_FINAL.as_bytes()));
    }
}

#[test]
fn out_of_order() {
    let key = SaltedPassword::from([0; 32]);
    let reason = "PostgreSQL SCRAM messages are out of order";
    assert_eq!(refused(begun().client_final(&key)), reason);
    assert_eq!(
        refused(begun().server_final(SERVER_FINAL.as_bytes())),
        reason
    );
    assert_eq!(refused(proven().client_final(&key)), reason);
}
