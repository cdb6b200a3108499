//! What stands around the application: CORS, compression, trusted hosts, redirects to TLS.

use crate::harness::{Client, Folder, Response, Server, after, bytes, ready};
use runtime::middleware::{
    Chain, Coding, Compression, CompressionOptions, Cors, CorsOptions, Layer, TrustedHost,
};
use runtime::{Answer, AnswerBody, BodyMode, Reply, answer_slot, chunk_queue};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn cors(origins: &[&str], pattern: Option<&str>, credentials: bool) -> Layer {
    let options = CorsOptions {
        origins: owned(origins),
        origin_pattern: pattern.map(str::to_owned),
        methods: owned(&["GET", "PUT"]),
        headers: owned(&["accept", "x-one"]),
        credentials,
        simple_fields: pairs(&[("Access-Control-Expose-Headers", "X-Two")]),
        preflight_fields: pairs(&[("Vary", "Origin"), ("Access-Control-Max-Age", "60")]),
        ..CorsOptions::default()
    };
    Layer::Cors(Cors::new(options).unwrap())
}

fn compression(minimum_bytes: usize, codings: &[(Coding, u32)]) -> Layer {
    let options = CompressionOptions {
        minimum_bytes,
        codings: codings.to_vec(),
        excluded_types: owned(&["text/event-stream", "image/png", "audio/*"]),
    };
    Layer::Compression(Compression::new(options).ok().unwrap())
}

const ALL: [(Coding, u32); 3] = [(Coding::Zstd, 3), (Coding::Brotli, 4), (Coding::Gzip, 6)];

/// A body of text that compresses, but not to nothing.
fn text(length: usize) -> Vec<u8> {
    let words = (0_u64..).flat_map(|number| format!("{number:x} pieces, ").into_bytes());
    words.take(length).collect()
}

fn typed(body: Vec<u8>, fields: &[u8]) -> Reply {
    let mut answer = bytes(200, body);
    answer.fields = fields.to_vec().into();
    ready(answer)
}

fn server(layers: impl FnOnce() -> Vec<Layer> + Send + 'static) -> Server {
    let folder = Folder::new();
    std::fs::write(folder.path().join("page.txt"), text(5_000)).unwrap();
    Server::start(move |setup| {
        setup.middleware = Chain::new(layers());
        setup.folder("/files", folder.path(), false, false);
        std::mem::forget(folder);
        setup.limits.body_bytes_max = 100_000;
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        setup.get("/text", |_| ready(bytes(200, text(5_000))));
        setup.get("/large", |_| ready(bytes(200, text(3_000_000))));
        setup.get("/late", |_| {
            let (sender, receiver) = answer_slot();
            after(20, || sender.send(bytes(200, text(5_000))));
            Reply::Later(receiver)
        });
        setup.get("/stream", |_| {
            let (sender, receiver) = chunk_queue();
            let mut answer = Answer::text(200, "");
            answer.body = AnswerBody::Stream(receiver, None);
            sender.send(b"first;".to_vec());
            after(150, move || {
                sender.send(text(200_000));
                sender.finish();
            });
            ready(answer)
        });
        setup.get("/abort", |_| {
            let (sender, receiver) = chunk_queue();
            let mut answer = Answer::text(200, "");
            answer.body = AnswerBody::Stream(receiver, None);
            sender.send(b"half".to_vec());
            after(20, || drop(sender));
            ready(answer)
        });
        setup.get("/events", |_| {
            typed(
                text(2_000),
                b"content-type: text/event-stream; charset=utf-8\r\n",
            )
        });
        setup.get("/sound", |_| {
            typed(text(2_000), b"content-type: Audio/OGG\r\n")
        });
        setup.get("/coded", |_| {
            typed(text(2_000), b"content-encoding: x\r\nvary: a\r\n")
        });
        setup.get("/tagged", |_| {
            typed(text(2_000), b"etag: \"1\"\r\nvary: a\r\nvary: b\r\n")
        });
        setup.get("/empty", |_| {
            ready(Answer {
                status: 204,
                ..Answer::text(204, "")
            })
        });
        setup.get("/failed", |_| {
            ready(Answer::json(500, r#"{"detail":"Internal Server Error"}"#))
        });
        setup.get("/panics", |_| panic!("on purpose"));
        setup.route(&["POST"], "/", BodyMode::Collect, |_| {
            ready(Answer::text(200, "taken"))
        });
    })
}

fn decoded(answer: &Response) -> Vec<u8> {
    let body = answer.body.as_slice();
    let mut plain = Vec::new();
    match answer.field("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        Some("zstd") => zstd::Decoder::new(body).unwrap().read_to_end(&mut plain),
        other => panic!("{other:?}"),
    }
    .unwrap();
    plain
}

fn preflight(client: &mut Client<TcpStream>, fields: &str) -> Response {
    client.send(format!("OPTIONS /text HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    client.response()
}

#[test]
fn each_coding_gives_the_body_back() {
    let server = server(|| vec![compression(500, &ALL)]);
    let mut client = server.connect();
    for coding in ["gzip", "br", "zstd"] {
        let accept = format!("accept-encoding: {coding}");
        for path in ["/text", "/late"] {
            let answer = client.get_with(path, &accept);
            assert_eq!(answer.field("content-encoding"), Some(coding), "{path}");
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
            assert!(answer.body.len() < 2_500);
            assert_eq!(decoded(&answer), text(5_000));
        }
        let answer = client.get_with("/large", &accept);
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        assert_eq!(decoded(&answer), text(3_000_000));
        let answer = client.get_with("/stream", &accept);
        assert_eq!(
            decoded(&answer),
            [b"first;".to_vec(), text(200_000)].concat()
        );
    }
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn the_weights_choose() {
    let server = server(|| vec![compression(500, &ALL)]);
    let mut client = server.connect();
    let mut coding = |field: &str| {
        let answer = client.get_with("/text", &format!("accept-encoding: {field}"));
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
        answer.field("content-encoding").unwrap_or("-").to_owned()
    };
    assert_eq!(coding("gzip, deflate, br, zstd"), "zstd");
    assert_eq!(coding("gzip, br;q=0.9"), "gzip");
    assert_eq!(coding("gzip;q=0"), "-");
    assert_eq!(coding("identity"), "-");
    assert_eq!(coding("*"), "zstd");
}

/// However a head comes in, the answer is the same.
#[test]
fn heads_in_single_bytes_are_understood() {
    let server = server(|| vec![cors(&["https://a.com"], None, false), compression(1, &ALL)]);
    let heads = [
        "GET / HTTP/1.1\r\nhost: a\r\norigin: https://a.com\r\naccept-encoding: x, gzip;q=0.5\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nOrigin: https://b.com\r\nAccept-Encoding: gzip;q=0\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nhost: a\r\norigin: https://a.com\r\naccess-control-request-method: PUT\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nhost: a\r\norigin: \r\naccess-control-request-method: \r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\norigin: \u{e9}\r\naccept-encoding: \u{e9};q=\u{e9},,;\r\n\r\n",
    ];
    let undated = |answer: Response| {
        let lines = answer.head.lines().filter(|line| !line.starts_with("date"));
        (lines.collect::<Vec<_>>().join("\n"), answer.body)
    };
    for head in heads {
        let mut whole = server.connect();
        whole.send(head);
        let mut slow = server.connect();
        for byte in head.as_bytes() {
            slow.send([*byte]);
        }
        assert_eq!(
            undated(whole.response()),
            undated(slow.response()),
            "{head}"
        );
    }
}

#[test]
fn a_piece_of_a_stream_does_not_wait_for_the_next() {
    let server = server(|| vec![compression(500, &ALL)]);
    for coding in ["gzip", "br", "zstd"] {
        let mut client = server.connect();
        let began = Instant::now();
        client.send(format!(
            "GET /stream HTTP/1.1\r\nhost: a\r\naccept-encoding: {coding}\r\n\r\n"
        ));
        let answer = client.head();
        assert_eq!(answer.field("content-encoding"), Some(coding));
        let mut plain = [0; 6];
        while client.unread.is_empty() {
            client.more().unwrap();
        }
        assert!(began.elapsed() < Duration::from_millis(120), "{coding}");
        let at = client
            .unread
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        let piece = &client.unread[at..];
        match coding {
            "gzip" => flate2::read::GzDecoder::new(piece).read_exact(&mut plain),
            "br" => brotli::Decompressor::new(piece, 64).read_exact(&mut plain),
            _ => zstd::Decoder::new(piece).unwrap().read_exact(&mut plain),
        }
        .unwrap();
        assert_eq!(&plain, b"first;");
    }
}

#[test]
fn an_aborted_stream_has_no_end() {
    let server = server(|| vec![compression(500, &ALL)]);
    let mut client = server.connect();
    client.send("GET /abort HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n");
    let rest = String::from_utf8_lossy(&client.rest()).into_owned();
    assert!(
        rest.contains("gzip") && !rest.ends_with("\r\n0\r\n\r\n"),
        "{rest}"
    );
}

#[test]
fn what_must_stay_stays() {
    let server = server(|| vec![compression(500, &ALL)]);
    let mut client = server.connect();
    for path in ["/", "/events", "/sound", "/coded", "/empty", "/none"] {
        let answer = client.get_with(path, "accept-encoding: gzip");
        let coding = answer.field("content-encoding");
        assert_eq!(coding, (path == "/coded").then_some("x"), "{path}");
        assert_eq!(
            answer.field("vary"),
            (path == "/coded").then_some("a"),
            "{path}"
        );
    }
    // Other answers to the same request are not.
    let answer = client.get_with("/tagged", "accept-encoding: gzip");
    assert_eq!(answer.field("vary"), Some("a, b, Accept-Encoding"));
    assert_eq!(answer.field("etag"), Some("\"1\""));
    let answer = client.get_with("/text", "x: y");
    assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
    assert_eq!(answer.body, text(5_000));
    client.send("HEAD /text HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n");
    let answer = client.head();
    assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
    assert_eq!(answer.field("content-encoding"), None);
    // No body has come: the next answer is whole.
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn http_1_0_gets_a_stream_until_the_end() {
    let server = server(|| vec![compression(500, &ALL)]);
    let mut client = server.connect();
    client.send("GET /large HTTP/1.0\r\naccept-encoding: gzip\r\n\r\n");
    let mut answer = client.head();
    assert_eq!(answer.field("transfer-encoding"), None);
    answer.body = client.rest();
    assert_eq!(decoded(&answer), text(3_000_000));
}

#[test]
fn preflights_are_answered_without_the_application() {
    let server = server(|| vec![cors(&["https://a.com"], None, true)]);
    let mut client = server.connect();
    let asks =
        "access-control-request-method: PUT\r\naccess-control-request-headers: X-One , accept\r\n";
    let answer = preflight(&mut client, &format!("origin: https://a.com\r\n{asks}"));
    assert_eq!((answer.status, answer.text()), (200, "OK"));
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://a.com")
    );
    assert_eq!(answer.field("access-control-max-age"), Some("60"));
    assert_eq!(answer.field("vary"), Some("Origin"));
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let answer = preflight(
        &mut client,
        "origin: https://b.com\r\naccess-control-request-method: POST\r\naccess-control-request-headers: x-two\r\naccess-control-request-private-network: true\r\n",
    );
    let failures = "Disallowed CORS origin, method, headers, private-network";
    assert_eq!((answer.status, answer.text()), (400, failures));
    assert_eq!(answer.field("access-control-allow-origin"), None);
    // No preflight: the application's own answer.
    let answer = preflight(&mut client, "origin: https://a.com\r\n");
    assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://a.com")
    );
}

#[test]
fn every_answer_says_who_may_read_it() {
    let server = server(|| vec![cors(&["https://a.com"], Some(r"https://.*\.b\.com"), false)]);
    let mut client = server.connect();
    for path in [
        "/",
        "/late",
        "/stream",
        "/none",
        "/failed",
        "/files/page.txt",
        "/files/none",
    ] {
        for (origin, allowed) in [
            ("https://a.com", true),
            ("https://x.b.com", true),
            ("https://a.com.evil", false),
            ("https://x.b.com.evil", false),
            ("xhttps://x.b.com", false),
        ] {
            let answer = client.get_with(path, &format!("origin: {origin}"));
            let field = answer.field("access-control-allow-origin");
            assert_eq!(field, allowed.then_some(origin), "{path}");
            assert_eq!(answer.field("access-control-expose-headers"), Some("X-Two"));
            assert_eq!(answer.field("vary"), Some("Origin"));
        }
        let answer = client.get_with(path, "x: y");
        assert_eq!(answer.field("access-control-allow-origin"), None);
        assert_eq!(answer.field("vary"), Some("Origin"), "{path}");
    }
    client.send(
        "POST / HTTP/1.1\r\nhost: a\r\norigin: https://a.com\r\ncontent-length: 100001\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://a.com")
    );
    let mut client = server.connect();
    let answer = client.get_with("/panics", "origin: https://a.com");
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://a.com")
    );
    // Nothing is known of who asks when the head is broken.
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\norigin: https://a.com\r\n: x\r\n\r\n");
    assert_eq!(client.response().field("access-control-allow-origin"), None);
}

#[test]
fn all_origins_are_named_only_with_credentials() {
    let any = |credentials: bool| {
        let server = server(move || vec![cors(&["*"], None, credentials)]);
        let answer = server.connect().get_with("/", "origin: https://c.com");
        answer
            .field("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(any(true).as_deref(), Some("https://c.com"));
    // The star itself is among the simple fields, which the options bring.
    assert_eq!(any(false), None);
}

fn asked(server: &Server, head: &str) -> (u16, Option<String>) {
    let mut client = server.connect();
    client.send(format!("{head}\r\n\r\n"));
    let answer = client.response();
    (answer.status, answer.field("location").map(str::to_owned))
}

#[test]
fn only_trusted_hosts_are_answered() {
    let hosts = owned(&["Example.com", "*.sub.org", "www.site.net", "[::1]"]);
    let server = server(move || vec![Layer::TrustedHost(TrustedHost::new(&hosts, true))]);
    for (host, status) in [
        ("example.com", 200),
        ("EXAMPLE.com:8000", 200),
        ("a.sub.org", 200),
        ("a.b.sub.org:1", 200),
        ("sub.org", 400),
        ("evil-sub.org", 400),
        ("evil.com", 400),
        ("[::1]:80", 200),
        ("[::2]", 400),
        ("example.com.", 400),
    ] {
        assert_eq!(
            asked(&server, &format!("GET / HTTP/1.1\r\nhost: {host}")).0,
            status,
            "{host}"
        );
    }
    assert_eq!(asked(&server, "GET / HTTP/1.0").0, 400);
    assert_eq!(
        asked(
            &server,
            "GET http://example.com/ HTTP/1.1\r\nhost: evil.com"
        )
        .0,
        400
    );
    let (status, location) = asked(&server, "GET /a%20b?c=d HTTP/1.1\r\nhost: site.net:8000");
    assert_eq!(status, 307);
    assert_eq!(
        location.as_deref(),
        Some("http://www.site.net:8000/a%20b?c=d")
    );
}

/// A body that nobody will read is not waited for.
#[test]
fn an_untrusted_request_is_refused_before_its_body() {
    let hosts = owned(&["a.com"]);
    let server = server(move || vec![Layer::TrustedHost(TrustedHost::new(&hosts, true))]);
    assert_eq!(
        asked(
            &server,
            "POST / HTTP/1.1\r\nhost: b.com\r\ncontent-length: 9000"
        )
        .0,
        400
    );
}

#[test]
fn plain_requests_are_sent_to_tls() {
    let server = server(|| vec![Layer::HttpsRedirect]);
    for (host, location) in [
        ("a.com", "https://a.com/x?y=%20"),
        ("a.com:80", "https://a.com/x?y=%20"),
        ("a.com:8080", "https://a.com:8080/x?y=%20"),
        ("[::1]:443", "https://[::1]/x?y=%20"),
    ] {
        let head = format!("GET /x?y=%20 HTTP/1.1\r\nhost: {host}");
        assert_eq!(asked(&server, &head), (307, Some(location.to_owned())));
    }
    let own = format!("https://{}/", server.address);
    assert_eq!(asked(&server, "GET / HTTP/1.0"), (307, Some(own)));
    let own = format!("https://{}/", server.address);
    let head = "GET / HTTP/1.1\r\nhost: a:99999";
    assert_eq!(asked(&server, head), (307, Some(own)));
}

#[test]
fn what_is_further_out_changes_the_answer_of_what_is_further_in() {
    let hosts = owned(&["b.com"]);
    let server = server(move || {
        vec![
            cors(&["https://a.com"], None, false),
            Layer::TrustedHost(TrustedHost::new(&hosts, true)),
            compression(1, &ALL),
        ]
    });
    let mut client = server.connect();
    let answer = client.get_with("/", "origin: https://a.com\r\naccept-encoding: gzip");
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://a.com")
    );
    assert_eq!(answer.field("content-encoding"), None);
}

/// A long body is compressed piece by piece: nobody waits for all of it.
#[test]
fn a_long_body_does_not_hold_up_others() {
    let server = server(|| vec![compression(500, &[(Coding::Gzip, 9)])]);
    let mut long = server.connect();
    for _ in 0..4 {
        long.send("GET /large HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n");
    }
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(decoded(&long.response()).len(), 3_000_000);
    }
    let all = began.elapsed();
    let mut other = server.connect();
    assert_eq!(other.get("/").text(), "hello");
    for _ in 0..4 {
        long.send("GET /large HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n");
    }
    let mut worst = Duration::ZERO;
    for _ in 0..10 {
        let began = Instant::now();
        assert_eq!(other.get("/").text(), "hello");
        worst = worst.max(began.elapsed());
    }
    println!("all {all:?}, a short answer meanwhile at most {worst:?}");
    assert!(worst < all / 2, "{worst:?} of {all:?}");
}
