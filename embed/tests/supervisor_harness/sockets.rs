//! Where the server listens, what it is told by whom, and what it leaves behind.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Test;
use crate::fake_shard::VALUE;
use crate::server::{Scratch, Server, command, eventually, get_tcp, get_unix, lives, run_command};

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// Every test of this file.
        pub(crate) const TESTS: &[Test] = &[$((stringify!($name), $name)),*];
    };
}

tests![
    a_port_in_use_is_named,
    a_host_that_is_not_ours_is_named,
    every_address_of_a_name_is_served,
    a_unix_socket_is_served_and_removed,
    a_stale_unix_socket_is_replaced_and_a_live_one_is_not,
    systemd_passes_sockets_and_hears_how_it_goes,
    an_abstract_notify_socket_is_heard,
    a_passed_descriptor_must_listen,
    options_come_from_the_environment_and_a_file,
    a_reload_reads_the_environment_file_again,
    a_pid_file_lives_as_long_as_the_supervisor,
    a_log_for_machines_is_json,
    usage_errors_exit_with_2,
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a command that must fail; returns its exit code and log.
fn fails(command: &mut Command) -> (i32, String) {
    let mut server = Server::spawn(command);
    (server.wait(), server.log())
}

fn a_port_in_use_is_named() {
    // Our own kind, whose SO_REUSEPORT would let another in, and a stranger.
    let server = Server::start(&["--shards", "1"]);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [server.port(), stranger.local_addr().unwrap().port()] {
        let (code, log) = fails(&mut command(&[
            "run",
            "fake:app",
            "--port",
            &port.to_string(),
        ]));
        assert_eq!(code, 1);
        let sentence = format!(
            "fasterapi: port {port} on 127.0.0.1 is in use by another process: choose another \
             with --port, or stop it\n"
        );
        assert!(log.ends_with(&sentence), "{log}");
    }
}

fn a_host_that_is_not_ours_is_named() {
    let (code, log) = fails(&mut run_command(&["--host", "192.0.2.1"]));
    assert_eq!(code, 1);
    assert!(
        log.contains("--host 192.0.2.1 is not an address of this machine"),
        "{log}"
    );
    let (code, log) = fails(&mut run_command(&["--host", "no such host"]));
    assert_eq!(code, 1);
    assert!(log.contains("--host no such host has no address"), "{log}");
}

fn every_address_of_a_name_is_served() {
    let ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let server = Server::start(&["--shards", "2", "--host", "localhost"]);
    assert_eq!(
        get_tcp("localhost", server.port(), "/")
            .unwrap()
            .value("shards"),
        "2"
    );
    if ipv6 {
        let server = Server::start(&["--shards", "2", "--host", "::"]);
        get_tcp("::1", server.port(), "/").unwrap();
        get_tcp("127.0.0.1", server.port(), "/").unwrap();
    }
}

fn a_unix_socket_is_served_and_removed() {
    let scratch = Scratch::new();
    let socket = scratch.path("s.sock");
    let mut server = Server::start(&["--uds", text(&socket), "--uds-permissions", "600"]);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        server
            .log()
            .contains(&format!("on unix:{}", socket.display()))
    );
    get_unix(&socket).unwrap();
    assert_eq!(server.stop(), 0);
    assert!(!socket.exists());
}

fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let scratch = Scratch::new();
    let socket = scratch.path("s.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let server = Server::start(&["--uds", text(&socket)]);
    let (code, log) = fails(&mut run_command(&["--uds", text(&socket)]));
    assert_eq!(code, 1);
    assert!(log.contains("another server listens on"), "{log}");
    get_unix(&socket).expect("the first server is unharmed");
    drop(server);
    let file = scratch.write("precious", "data");
    let (code, log) = fails(&mut run_command(&["--uds", text(&file)]));
    assert_eq!(code, 1);
    assert!(log.contains("exists and is not a socket"), "{log}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "data");
    let long = scratch.path(&"x".repeat(120));
    let (code, log) = fails(&mut run_command(&["--uds", text(&long)]));
    assert_eq!(code, 1);
    assert!(log.contains("is too long"), "{log}");
}

/// Runs a command with a socket as descriptor 3, as systemd passes it.
fn with_fd_3(fd: impl Into<OwnedFd>, script: &str, run: &Command) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("{script} exec \"$0\" \"$@\" 3<&0 </dev/null");
    shell
        .arg("-c")
        .arg(script)
        .arg(run.get_program())
        .args(run.get_args());
    shell.stdin(Stdio::from(fd.into()));
    shell
}

fn systemd_passes_sockets_and_hears_how_it_goes() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let notified = UnixDatagram::bind(scratch.path("notify")).unwrap();
    notified
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let run = run_command(&["--shards", "2"]);
    let mut run = with_fd_3(listener, "LISTEN_PID=$$ LISTEN_FDS=1", &run);
    run.env("NOTIFY_SOCKET", scratch.path("notify"))
        .env("WATCHDOG_USEC", "100000");
    let mut server = Server::start_command(&mut run);
    assert_eq!(server.port(), port);
    assert_eq!(
        server.get("/").value("notify"),
        "false",
        "children must not speak to systemd"
    );
    let hear = |word: &str| {
        let mut found = String::new();
        eventually(
            || {
                let mut bytes = [0; 1024];
                let length = notified.recv(&mut bytes).unwrap_or(0);
                found = String::from_utf8_lossy(&bytes[..length]).into_owned();
                found.contains(word)
            },
            || word.to_owned(),
        );
        found
    };
    let ready = hear("READY=1");
    assert!(
        ready.contains(&format!("MAINPID={}", server.pid())),
        "{ready}"
    );
    assert!(
        ready.contains("STATUS=FasterAPI 0.1.0 serves fake:app"),
        "{ready}"
    );
    hear("WATCHDOG=1");
    server.signal(Signal::SIGHUP);
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    hear("READY=1");
    server.wait_for_generation("2");
    server.signal(Signal::SIGTERM);
    hear("STOPPING=1");
    assert_eq!(server.wait(), 0);
}

fn an_abstract_notify_socket_is_heard() {
    let name = format!("fasterapi-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let notified = UnixDatagram::bind_addr(&address).unwrap();
    notified
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut run = run_command(&["--shards", "1"]);
    let _server = Server::start_command(run.env("NOTIFY_SOCKET", format!("@{name}")));
    let mut bytes = [0; 1024];
    let length = notified.recv(&mut bytes).unwrap();
    assert!(bytes[..length].starts_with(b"READY=1\n"));
}

fn a_passed_descriptor_must_listen() {
    let run = run_command(&["--shards", "1", "--fd", "3"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut server = Server::start_command(&mut with_fd_3(listener, "", &run));
    server.get("/");
    assert_eq!(server.stop(), 0);

    let (code, log) = fails(&mut with_fd_3(
        std::fs::File::open("/dev/null").unwrap(),
        "",
        &run,
    ));
    assert_eq!(code, 1);
    assert!(log.contains("descriptor 3 is not an open socket"), "{log}");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (code, log) = fails(&mut with_fd_3(udp, "", &run));
    assert_eq!(code, 1);
    assert!(
        log.contains("descriptor 3 is not a listening stream socket"),
        "{log}"
    );
}

fn options_come_from_the_environment_and_a_file() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "app.env",
        "# ours\nexport FASTERAPI_SHARDS=3\nFASTERAPI_DRAIN_TIMEOUT_S=5\nFAKE_VALUE='from file'\n\
         FASTERAPI_TARGET=fake:filed\n",
    );
    let mut run = command(&["run", "--port", "0", "--env-file", text(&file)]);
    run.env("FASTERAPI_SHARDS", "2")
        .env("FASTERAPI_LOG_LEVEL", "DEBUG");
    let mut server = Server::start_command(&mut run);
    let answer = server.get("/");
    assert_eq!(answer.value("shards"), "2", "the real environment wins");
    assert!(answer.0.contains("value=from file "), "{answer:?}");
    assert_eq!(answer.value("target"), "fake:filed");
    server.signal(Signal::SIGTERM);
    server.wait_for("drains for at most 5 s");
    assert_eq!(server.wait(), 0);
    let (code, log) = fails(&mut run_command(&["--env-file", "/nonexistent/app.env"]));
    assert_eq!(code, 2);
    assert!(
        log.contains("--env-file /nonexistent/app.env: No such file"),
        "{log}"
    );
}

fn a_reload_reads_the_environment_file_again() {
    let scratch = Scratch::new();
    let file = scratch.write("app.env", "FAKE_VALUE=one\n");
    let mut run = run_command(&["--shards", "1", "--env-file", text(&file)]);
    let server = Server::start_command(run.env_remove(VALUE));
    assert_eq!(server.get("/").value("value"), "one");
    scratch.write("app.env", "FAKE_VALUE='two\n");
    server.signal(Signal::SIGHUP);
    server.wait_for("generation 1 stays: ");
    scratch.write("app.env", "FAKE_VALUE=two\n");
    server.signal(Signal::SIGHUP);
    server.wait_for("(reloaded after");
    assert_eq!(server.get("/").value("value"), "two");
}

fn a_pid_file_lives_as_long_as_the_supervisor() {
    let scratch = Scratch::new();
    let file = scratch.path("pid");
    let mut server = Server::start(&["--shards", "1", "--pid-file", text(&file)]);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        format!("{}\n", server.pid())
    );
    assert!(lives(server.pid()));
    assert_eq!(server.stop(), 0);
    assert!(!file.exists());
}

fn a_log_for_machines_is_json() {
    let mut server = Server::start(&["--shards", "1", "--log-format", "json"]);
    assert_eq!(server.stop(), 0);
    for line in server.log().lines() {
        assert!(line.starts_with("{\"") && line.ends_with('}'), "{line}");
        assert!(
            line.contains("\"level\":") && line.contains("\"time\":"),
            "{line}"
        );
    }
}

fn usage_errors_exit_with_2() {
    let refused = |arguments: &[&str], sentence: &str| {
        let (code, log) = fails(&mut command(arguments));
        assert_eq!(code, 2, "{log}");
        assert!(log.contains(sentence), "{log}");
    };
    refused(&["run"], "what shall be run?");
    refused(
        &["run", "a:b", "--port", "x"],
        "invalid value 'x' for '--port",
    );
    refused(
        &["run", "a:b", "--send-timeout-s", "0"],
        "--send-timeout-s 0: must be more than 0",
    );
    refused(
        &["run", "a:b", "--app-dir", "/nonexistent"],
        "--app-dir /nonexistent: No such file",
    );
    let (code, _) = fails(command(&["--version"]).stdout(Stdio::null()));
    assert_eq!(code, 0);
    let (code, _) = fails(&mut command(&["routes", "fake:app"]));
    assert_eq!(code, 0);
}
