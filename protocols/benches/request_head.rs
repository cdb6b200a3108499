//! Nanoseconds per request head, beside what httparse takes for the same bytes.

use std::hint::black_box;
use std::time::Instant;

use protocols::http1::{HeadLimits, RequestHead, parse_request_head};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 64 * 1024,
    fields_max: 100,
    request_line_bytes_max: 16 * 1024,
};

const WRK_GET: &[u8] = b"GET /items/42?q=x HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

const BROWSER_GET: &[u8] = b"GET /items/42?q=spring&page=3 HTTP/1.1\r\n\
Host: shop.example.org\r\n\
Connection: keep-alive\r\n\
Cache-Control: max-age=0\r\n\
sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\n\
Upgrade-Insecure-Requests: 1\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Sec-Fetch-Site: none\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Dest: document\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n\r\n";

const CHUNKED_POST: &[u8] = b"POST /items HTTP/1.1\r\n\
Host: api.example.org\r\n\
User-Agent: python-httpx/0.27.2\r\n\
Accept: */*\r\n\
Content-Type: application/json\r\n\
Transfer-Encoding: chunked\r\n\r\n";

const ROUNDS: u32 = 200_000;
const REPEATS: u32 = 7;

/// The best of several runs: the machine's noise only ever adds.
fn best_ns(mut work: impl FnMut()) -> f64 {
    let run = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            work();
        }
        start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
    };
    (0..REPEATS)
        .map(|_| run(&mut work))
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    println!(
        "{:<14}{:>7}{:>16}{:>16}",
        "head", "bytes", "protocols, ns", "httparse, ns"
    );
    for (name, bytes) in [
        ("wrk GET", WRK_GET),
        ("browser GET", BROWSER_GET),
        ("chunked POST", CHUNKED_POST),
    ] {
        let mut head = RequestHead::new();
        let ours = best_ns(|| {
            let outcome = parse_request_head(black_box(bytes), &LIMITS, &mut head);
            assert!(black_box(&outcome).is_ok());
        });
        let theirs = best_ns(|| {
            let mut fields = [const { std::mem::MaybeUninit::uninit() }; 100];
            let mut request = httparse::Request::new(&mut []);
            let outcome = request.parse_with_uninit_headers(black_box(bytes), &mut fields);
            assert!(black_box(&outcome).is_ok());
        });
        println!("{name:<14}{:>7}{ours:>16.1}{theirs:>16.1}", bytes.len());
    }
}
