//! The other end of a wire, and how a wire is driven by whoever owns it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use runtime::postgres::tls::{TlsSettings, session};
use runtime::postgres::{Flushed, Received, Wire};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};

use crate::certificates::certificates;

/// A test that waits so long has failed.
const PATIENCE_MS: u16 = 20_000;

/// Waits until the wire's socket can be read, or written if it wants that.
pub(crate) fn wait(wire: &Wire) {
    let mut events = PollFlags::POLLIN;
    if wire.wants_write() {
        events |= PollFlags::POLLOUT;
    }
    let mut watched = [PollFd::new(wire.socket().unwrap(), events)];
    let ready = poll(&mut watched, PollTimeout::from(PATIENCE_MS)).unwrap();
    assert_ne!(ready, 0, "nothing happens on the wire");
}

/// Makes the TLS handshake.
pub(crate) fn shake_hands(wire: &mut Wire) -> io::Result<()> {
    loop {
        wire.flush()?;
        if !wire.is_handshaking() {
            return Ok(());
        }
        wait(wire);
        if wire.receive()? == Received::Closed {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Sends all of the output, reading meanwhile.
pub(crate) fn send(wire: &mut Wire) -> io::Result<()> {
    while wire.flush()? == Flushed::WouldBlock {
        assert!(wire.wants_write());
        wait(wire);
        wire.receive()?;
    }
    assert!(!wire.wants_write());
    Ok(())
}

/// Receives until there are `count` bytes.
pub(crate) fn receive(wire: &mut Wire, count: usize) -> io::Result<Vec<u8>> {
    while wire.input().len() < count {
        match wire.receive()? {
            Received::WouldBlock => wait(wire),
            Received::Bytes => {}
            Received::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        wire.flush()?;
    }
    let bytes = wire.input()[..count].to_vec();
    wire.consume(count);
    Ok(bytes)
}

/// What comes at last: nothing more, or an error.
pub(crate) fn end(wire: &mut Wire) -> io::Result<Received> {
    loop {
        match wire.receive()? {
            Received::WouldBlock => wait(wire),
            Received::Bytes => {}
            closed => return Ok(closed),
        }
    }
}

/// A wire over a Unix socket, and its other end.
pub(crate) fn unix_wire() -> (Wire, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs
        .set_read_timeout(Some(Duration::from_millis(PATIENCE_MS.into())))
        .unwrap();
    (Wire::new(OwnedFd::from(ours)), theirs)
}

/// A wire over loopback, and its other end.
pub(crate) fn tcp_wire() -> (Wire, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    theirs
        .set_read_timeout(Some(Duration::from_millis(PATIENCE_MS.into())))
        .unwrap();
    (Wire::new(OwnedFd::from(ours)), theirs)
}

/// What a server is like.
pub(crate) struct Server<'a> {
    /// The name of its certificate.
    pub(crate) certificate: &'a str,
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    /// What it asks clients for certificates of.
    pub(crate) client_root: Option<&'a str>,
    pub(crate) alpn: &'a [&'a [u8]],
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

impl<'a> Server<'a> {
    pub(crate) fn new(certificate: &'a str) -> Self {
        Self {
            certificate,
            versions: BOTH,
            client_root: None,
            alpn: &[],
        }
    }

    pub(crate) fn connection(&self) -> ServerConnection {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match self.client_root {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut roots = RootCertStore::empty();
                let pem = certificates().read(&format!("{root}.crt"));
                roots
                    .add(CertificateDer::from_pem_slice(&pem).unwrap())
                    .unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                        .build()
                        .unwrap(),
                )
            }
        };
        let key = certificates().read(&format!("{}.key", self.certificate));
        let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let pem = certificates().read(&format!("{}.crt", self.certificate));
        let chain = CertificateDer::pem_slice_iter(&pem).map(Result::unwrap);
        let certified = CertifiedKey::new(chain.collect(), key);
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        ServerConnection::new(config.into()).unwrap()
    }

    /// Serves one connection in a thread: makes the handshake, then does as it is told.
    pub(crate) fn serve<T: Send + 'static>(
        &self,
        socket: UnixStream,
        serve: impl FnOnce(&mut StreamOwned<ServerConnection, UnixStream>) -> T + Send + 'static,
    ) -> JoinHandle<io::Result<T>> {
        let mut stream = StreamOwned::new(self.connection(), socket);
        std::thread::spawn(move || {
            // rustls gives its refusal to the peer by itself.
            stream.conn.complete_io(&mut stream.sock)?;
            Ok(serve(&mut stream))
        })
    }
}

/// A wire with a TLS session that begins.
pub(crate) fn tls_wire(settings: &TlsSettings, host: &str) -> (Wire, UnixStream) {
    let (mut wire, theirs) = unix_wire();
    let config = settings.client_config().unwrap();
    wire.set_tls(session(&config, host).unwrap()).unwrap();
    assert!(wire.is_handshaking());
    (wire, theirs)
}

/// Connects, says something and hears it again. The error is what the wire says.
pub(crate) fn talk(
    server: &Server<'_>,
    settings: &TlsSettings,
    host: &str,
) -> Result<Wire, String> {
    let (mut wire, theirs) = tls_wire(settings, host);
    let served = server.serve(theirs, |stream| {
        let mut said = [0; 5];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(&said).unwrap();
    });
    let outcome = shake_hands(&mut wire)
        .and_then(|()| {
            wire.output().extend_from_slice(b"hello");
            send(&mut wire)?;
            receive(&mut wire, 5)
        })
        .map(|heard| assert_eq!(heard, b"hello"))
        .map_err(|error| error.to_string());
    if outcome.is_ok() {
        served.join().unwrap().unwrap();
    } else {
        wire.close();
        // The server's end is of no interest when the client refuses it.
        let _ = served.join();
    }
    outcome.map(|()| wire)
}
