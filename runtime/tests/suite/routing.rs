//! Which route answers, and what is answered when none does.

use crate::harness::{Server, bytes, ready};
use runtime::{BodyMode, Converter, Error, RouterBuilder, Target};

/// Each route answers with its name and its parameters.
fn server(routes: &'static [(&'static str, &'static [&'static str], &'static str)]) -> Server {
    Server::start(move |setup| {
        for (path, methods, name) in routes {
            setup.route(methods, path, BodyMode::Ignore, move |request| {
                let parameters = &request.parameters;
                let text = format!(
                    "{name} {}|{}|{}",
                    parameters.get(0),
                    parameters.get(1),
                    parameters.last()
                );
                ready(bytes(200, text))
            });
        }
    })
}

const GET: &[&str] = &["GET"];

#[test]
fn the_more_fitting_route_answers_with_decoded_parameters() {
    let server = server(&[
        ("/", GET, "root"),
        ("/items/special", GET, "static"),
        ("/items/{id}", GET, "item"),
        ("/items/{id}/parts/{part}", GET, "part"),
        ("/files/{*path}", GET, "files"),
    ]);
    let mut client = server.connect();
    for (target, expected) in [
        ("/", "root ||"),
        ("/?a=/items/1", "root ||"),
        ("/items/special", "static ||"),
        ("/items/7", "item 7||7"),
        ("/items/a%20b%C3%A9%25", "item a bé%||a bé%"),
        ("/items/a+b%zz", "item a+b%zz||a+b%zz"),
        ("/items/1/parts/2", "part 1|2|2"),
        ("/%69tems/7", "item 7||7"),
        ("/files/a/b/c", "files a/b/c||a/b/c"),
        ("/files/", "files ||"),
        ("http://other/items/7", "item 7||7"),
    ] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text()), (200, expected), "{target}");
    }
    for target in ["/nothing", "/items/1/parts", "/items/1/2", "/Items/7"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
}

#[test]
fn the_last_parameter_of_an_empty_catch_all_is_empty() {
    let server = server(&[("/of/{user}/files/{*path}", GET, "files")]);
    let mut client = server.connect();
    assert_eq!(client.get("/of/me/files/").text(), "files me||");
    assert_eq!(client.get("/of/me/files/a/b").text(), "files me|a/b|a/b");
}

#[test]
fn a_known_path_with_another_method_gets_405() {
    let server = server(&[("/a", GET, "get"), ("/a", &["PUT", "DELETE"], "put")]);
    let mut client = server.connect();
    client.send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("allow")),
        (405, Some("DELETE, GET, HEAD, OPTIONS, PUT"))
    );
    client.send("DELETE /a HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().text(), "put ||");
}

#[test]
fn head_and_options_are_answered_for_routes_that_do_not_say_how() {
    let server = server(&[("/a", GET, "get"), ("/b", &["OPTIONS", "HEAD"], "own")]);
    let mut client = server.connect();
    client.send("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("6"));
    client.send("OPTIONS /a HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.response();
    assert_eq!(
        (answer.status, answer.field("allow")),
        (200, Some("GET, HEAD, OPTIONS"))
    );
    client.send("OPTIONS /b HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().text(), "own ||");
    client.send("HEAD /missing HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 404);
    assert_eq!(client.get("/a").text(), "get ||");
}

#[test]
fn a_missing_or_needless_slash_redirects_on_this_host_only() {
    let server = server(&[
        ("/a", GET, "a"),
        ("/b/", GET, "b"),
        ("/{x}/c", GET, "c"),
        ("/{y}", GET, "y"),
    ]);
    let mut client = server.connect();
    for (target, location) in [
        ("/a/", "/a"),
        ("/a/?q=1&r=%20", "/a?q=1&r=%20"),
        ("/%61/", "/%61"),
        ("/z/c/", "/z/c"),
        ("http://evil/a/", "/a"),
    ] {
        let answer = client.get(target);
        assert_eq!(
            (answer.status, answer.field("location")),
            (307, Some(location)),
            "{target}"
        );
        assert_eq!(answer.text(), "");
    }
    for target in [
        "//evil.example/",
        "//evil.example/c/",
        "/%2Fevil.example/",
        "/\\evil.example/",
        "/%5Cevil.example/c/",
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let answer = client.response();
        assert_eq!(answer.field("location"), None, "{target}");
        if answer.field("connection").is_some() {
            client = server.connect();
        }
    }
    // Redirected to itself, the client would go round for ever.
    assert_eq!(client.get("/a%2F").status, 404);
}

#[test]
fn a_slash_is_added_with_the_query_kept() {
    let server = server(&[("/b/", GET, "b")]);
    let mut client = server.connect();
    let answer = client.get("/b?x=%2F");
    assert_eq!(
        (answer.status, answer.field("location")),
        (307, Some("/b/?x=%2F"))
    );
    assert_eq!(client.get("/b/?x=%2F").text(), "b ||");
}

#[test]
fn patterns_of_one_shape_may_name_their_parameters_differently() {
    let server = server(&[
        ("/{id}/x", GET, "get"),
        ("/{name}/x", &["PUT"], "put"),
        ("/{other}/x", GET, "second"),
    ]);
    let mut client = server.connect();
    assert_eq!(client.get("/1/x").text(), "get 1||1");
    client.send("PUT /1/x HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().text(), "put 1||1");
}

#[test]
fn doubled_braces_are_braces() {
    let server = server(&[("/{{id}}", GET, "literal"), ("/a/{{{id}", GET, "mixed")]);
    let mut client = server.connect();
    assert_eq!(client.get("/%7Bid%7D").text(), "literal ||");
    assert_eq!(client.get("/a/%7B7").text(), "mixed 7||7");
    assert_eq!(client.get("/7").status, 404);
}

#[test]
fn routes_that_cannot_be_told_apart_are_an_error() {
    for pair in [
        ["/{*a}x", "/b"],
        ["/{}", "/b"],
        ["/{a", "/b"],
        ["/{a}-{b}", "/b"],
    ] {
        let mut router = RouterBuilder::new(true);
        for path in pair {
            router.add(path, &[], GET, &Target::Route(0));
        }
        assert!(
            matches!(router.build(), Err(Error::Route { .. })),
            "{pair:?}"
        );
    }
}

#[test]
fn a_uuid_may_leave_out_its_dashes() {
    let accepts = |text| Converter::Uuid.accepts(text);
    assert!(accepts("12345678-1234-abcd-ABCD-123456789012"));
    assert!(accepts("123456781234abcdABCD123456789012"));
    assert!(accepts("12345678-1234abcdABCD-123456789012"));
    assert!(!accepts("12345678--1234-abcd-ABCD-123456789012"));
    assert!(!accepts("1234567-81234-abcd-ABCD-123456789012"));
    assert!(!accepts("12345678-1234-abcd-ABCD-12345678901"));
    assert!(!accepts("12345678-1234-abcd-ABCD-1234567890123"));
    assert!(!accepts("12345678-1234-abcd-ABCD-12345678901\u{e9}"));
    assert!(!accepts(""));
}
