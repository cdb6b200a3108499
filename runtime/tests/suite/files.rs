//! Files as answers, from handlers and from folders.

use crate::harness::{Folder, Response, Server, ready};
use runtime::{Answer, AnswerBody, FileBody, FileSource, OpenFile, Reply};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

fn file(path: PathBuf) -> Reply {
    let mut answer = Answer::text(200, "");
    answer.body = AnswerBody::File(FileBody {
        source: FileSource::Path(path),
    });
    ready(answer)
}

/// `/f/{name}` answers with a file of the folder.
fn server(folder: &Folder) -> Server {
    let root = folder.path().to_owned();
    Server::start(move |setup| {
        setup.limits.send_timeout_s = 2.0;
        setup.get("/", |_| ready(Answer::text(200, "hello")));
        let files = root.clone();
        setup.get("/f/{name}", move |request| {
            file(files.join(request.parameters.get(0)))
        });
        let files = root.clone();
        setup.get("/open/{name}", move |request| {
            let opened = OpenFile::open(&files.join(request.parameters.get(0))).unwrap();
            let mut answer = Answer::text(200, "");
            answer.close = true;
            answer.body = AnswerBody::File(FileBody {
                source: FileSource::Open(Rc::new(opened)),
            });
            ready(answer)
        });
        setup.folder("/plain", &root, false, false);
        setup.folder("/html", &root, true, false);
        setup.folder("/links", &root, false, true);
    })
}

#[test]
fn a_file_is_sent_whole() {
    let folder = Folder::new();
    folder.file("a.txt", "0123456789");
    folder.file("empty", "");
    let large: Vec<u8> = (0..1_000_003_u32).map(|n| n as u8).collect();
    folder.file("large", &large);
    let server = server(&folder);
    let mut client = server.connect();
    for _ in 0..2 {
        let answer = client.get("/f/a.txt");
        assert_eq!((answer.status, answer.text()), (200, "0123456789"));
        assert_eq!(answer.field("accept-ranges"), Some("bytes"));
        assert!(answer.field("etag").is_some() && answer.field("last-modified").is_some());
        assert_eq!(client.get("/f/empty").text(), "");
        assert_eq!(client.get("/f/large").body, large);
    }
    client.send("HEAD /f/large HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("1000003"));
    assert_eq!(client.get("/").text(), "hello");
    let answer = client.get("/open/a.txt");
    assert_eq!(
        (answer.text(), answer.field("connection")),
        ("0123456789", Some("close"))
    );
    client.ends();
}

fn range(server: &Server, value: &str) -> Response {
    server
        .connect()
        .get_with("/f/a.txt", &format!("range: {value}\r\n"))
}

#[test]
fn ranges_are_sent_alone_or_in_parts() {
    let folder = Folder::new();
    folder.file("a.txt", "0123456789");
    let server = server(&folder);
    for (value, body, span) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let answer = range(&server, value);
        assert_eq!((answer.status, answer.text()), (206, body), "{value}");
        assert_eq!(answer.field("content-range"), Some(span));
    }
    let answer = range(&server, "bytes=0-1,5-6");
    assert_eq!(answer.status, 206);
    let kind = answer.field("content-type").unwrap().to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("parts");
    let part = |span: &str, bytes: &str| {
        format!(
            "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: {span}\r\n\r\n{bytes}"
        )
    };
    let end = format!("\r\n--{boundary}--\r\n");
    assert_eq!(
        answer.text(),
        part("bytes 0-1/10", "01") + &part("bytes 5-6/10", "56") + &end
    );
    let answer = range(&server, "bytes=10-");
    assert_eq!((answer.status, answer.text()), (416, ""));
    assert_eq!(answer.field("content-range"), Some("bytes */10"));
    assert_eq!(range(&server, "lines=1-2").status, 200);
    assert_eq!(range(&server, "bytes=4-2").status, 200);
}

#[test]
fn conditions_are_weighed() {
    let folder = Folder::new();
    folder.file("a.txt", "0123456789");
    let server = server(&folder);
    let mut client = server.connect();
    let whole = client.get("/f/a.txt");
    let (etag, date) = (
        whole.field("etag").unwrap(),
        whole.field("last-modified").unwrap(),
    );
    let old = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (fields, status) in [
        (format!("if-none-match: {etag}\r\n"), 304),
        ("if-none-match: *\r\n".into(), 304),
        ("if-none-match: \"other\"\r\n".into(), 200),
        (format!("if-modified-since: {date}\r\n"), 304),
        (format!("if-modified-since: {old}\r\n"), 200),
        (
            format!("if-none-match: \"other\"\r\nif-modified-since: {date}\r\n"),
            200,
        ),
        (format!("if-match: {etag}\r\n"), 200),
        ("if-match: \"other\"\r\n".into(), 412),
        (format!("if-unmodified-since: {old}\r\n"), 412),
        (format!("range: bytes=0-1\r\nif-range: {etag}\r\n"), 206),
        ("range: bytes=0-1\r\nif-range: \"other\"\r\n".into(), 200),
        (format!("range: bytes=0-1\r\nif-range: {old}\r\n"), 200),
    ] {
        let answer = client.get_with("/f/a.txt", &fields);
        assert_eq!(answer.status, status, "{fields}");
        if status == 304 {
            assert_eq!((answer.text(), answer.field("etag")), ("", Some(etag)));
        }
    }
}

#[test]
fn a_file_that_is_none_is_our_fault() {
    let folder = Folder::new();
    folder.file("sub/a", "");
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let server = server(&folder);
    let mut client = server.connect();
    for name in ["missing", "sub", "pipe"] {
        assert_eq!(client.get(&format!("/f/{name}")).status, 500, "{name}");
    }
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn a_file_that_shrinks_ends_the_connection_short() {
    let folder = Folder::new();
    let path = folder.file("a", vec![b'x'; 32 << 20]);
    let server = server(&folder);
    let mut client = server.connect();
    client.shrink();
    client.send("GET /f/a HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("33554432"));
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(1)
        .unwrap();
    assert!(client.rest().len() < 32 << 20);
}

#[test]
fn a_reader_of_a_file_that_goes_costs_nothing() {
    let folder = Folder::new();
    folder.file("a", vec![b'x'; 32 << 20]);
    let server = server(&folder);
    for _ in 0..20 {
        let mut client = server.connect();
        client.send("GET /f/a HTTP/1.1\r\nhost: a\r\n\r\n");
        client.head();
        client.reset();
    }
    server.wait_open(0);
    assert_eq!(server.connect().get("/").text(), "hello");
}

#[test]
fn a_folder_serves_its_files_and_nothing_else() {
    let outside = Folder::new();
    let secret = outside.file("secret", "secret");
    let folder = Folder::new();
    folder.file("a.txt", "file a");
    folder.file("sub/index.html", "index");
    folder.file("sub/b c.txt", "file b c");
    let link = |name: &str, to: &std::path::Path| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    link("inside", std::path::Path::new("a.txt"));
    link("absolute", &secret);
    link(
        "out",
        &std::path::Path::new("..").join(outside.path().file_name().unwrap()),
    );
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let server = server(&folder);
    let mut client = server.connect();
    let mut get = |target: &str| {
        let answer = client.get(target);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        (
            answer.status,
            if answer.status == 200 {
                text
            } else {
                String::new()
            },
        )
    };
    let found = |text: &str| (200, text.to_owned());
    let missing = (404, String::new());
    for _ in 0..2 {
        assert_eq!(get("/plain/a.txt"), found("file a"));
        assert_eq!(get("/plain/sub/b%20c.txt"), found("file b c"));
        assert_eq!(get("/plain/inside"), found("file a"));
        assert_eq!(get("/html/sub/"), found("index"));
        assert_eq!(get("/links/absolute"), found("secret"));
        assert_eq!(get("/links/out/secret"), found("secret"));
        let name = outside.path().file_name().unwrap().to_str().unwrap();
        for target in [
            "/plain/",
            "/plain/sub",
            "/plain/sub/",
            "/html/",
            "/plain/missing",
            "/plain/a.txt/",
            "/plain/absolute",
            "/plain/out/secret",
            "/html/out/",
            "/plain/pipe",
            "/html/pipe",
            "/plain/%00",
            "/plain/a.txt%00",
            "/plain/sub/../a.txt",
            "/plain/sub/%2e%2e/a.txt",
            "/plain//etc/passwd",
            "/plain/%2Fetc/passwd",
            "/links/../../etc/passwd",
            "/plain/%252e%252e/a.txt",
            "/plain/..%5Ca.txt",
            "/plain/%ff",
            &format!("/plain/../{name}/secret"),
            &format!("/links/%2e%2e/{name}/secret"),
        ] {
            assert_eq!(get(target), missing, "{target}");
        }
    }
    let answer = client.get("/html/sub/");
    assert_eq!(answer.field("content-type"), Some("text/html"));
    let etag = format!("if-none-match: {}\r\n", answer.field("etag").unwrap());
    assert_eq!(client.get_with("/html/sub/", &etag).status, 304);
    client.send("POST /plain/a.txt HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().field("allow"), Some("GET, HEAD, OPTIONS"));
    client.send("HEAD /plain/a.txt HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("6"));
}

#[test]
fn what_changes_in_a_folder_shows_after_a_moment() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "old");
    let server = server(&folder);
    let mut client = server.connect();
    assert_eq!(client.get("/plain/a.txt").text(), "old");
    let next = folder.file("next", "newer");
    std::fs::rename(next, &path).unwrap();
    std::thread::sleep(Duration::from_millis(1_400));
    assert_eq!(client.get("/plain/a.txt").text(), "newer");
    std::fs::remove_file(&path).unwrap();
    std::thread::sleep(Duration::from_millis(1_400));
    assert_eq!(client.get("/plain/a.txt").status, 404);
}
