//! What stands around every answer of a shard, in bytes: it may answer a request by its head
//! alone, and change what anybody else answers.

mod accept_encoding;
mod compression;
mod cors;
mod encoder;
mod field_lines;
mod gzip;
mod host;
mod redirect;
mod trusted_host;

pub use compression::{Coding, Compression, CompressionOptions};
pub use cors::{Cors, CorsOptions};
pub(crate) use encoder::Encoder;
pub use gzip::gzip;
pub use trusted_host::TrustedHost;

use crate::answer::Answer;
use crate::origin::Origin;
use protocols::http1::{RequestHead, Upgrade};
use std::net::SocketAddr;

/// One thing that stands around the application.
pub enum Layer {
    /// Cross-origin resource sharing.
    Cors(Cors),
    /// Compression of answers.
    Compression(Compression),
    /// Only requests to the application's own names are answered.
    TrustedHost(TrustedHost),
    /// Requests without TLS are sent to `https`.
    HttpsRedirect,
}

/// The layers around an application, the outermost first.
pub struct Chain {
    layers: Box<[Layer]>,
}

/// A request as the layers see it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) head: &'a RequestHead,
    /// What the head's spans point into.
    pub(crate) bytes: &'a [u8],
    pub(crate) origin: &'a Origin,
}

impl<'a> Seen<'a> {
    fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.head.field(self.bytes, name)
    }

    fn method(&self) -> &'a [u8] {
        self.head.method.of(self.bytes)
    }

    fn is_secure(&self) -> bool {
        self.origin.is_secure(&self.head.fields, self.bytes)
    }

    fn is_websocket(&self) -> bool {
        self.head.upgrade == Upgrade::WebSocket
    }

    /// The server's own name and port, where they are known.
    fn server(&self) -> Option<(String, Option<u16>)> {
        match &self.origin.stated {
            Some(stated) => stated.server.clone(),
            None => self.origin.server.map(|address| {
                let host = match address {
                    SocketAddr::V4(address) => address.ip().to_string(),
                    SocketAddr::V6(address) => address.ip().to_string(),
                };
                (host, Some(address.port()))
            }),
        }
    }
}

impl Chain {
    /// Puts layers around an application, the outermost first; `None` when there are none.
    pub fn new(layers: Vec<Layer>) -> Option<Self> {
        (!layers.is_empty()).then(|| Self {
            layers: layers.into_boxed_slice(),
        })
    }

    /// The answer that a layer gives in place of the application, changed by those around it.
    pub(crate) fn enter(&self, seen: Seen<'_>) -> Option<Answer> {
        for (depth, layer) in self.layers.iter().enumerate() {
            let entered = match layer {
                Layer::Cors(cors) => cors.enter(seen),
                Layer::TrustedHost(trusted) => trusted.enter(seen),
                Layer::HttpsRedirect => redirect::enter(seen),
                Layer::Compression(_) => None,
            };
            if let Some(mut answer) = entered {
                leave_through(&self.layers[..depth], seen, &mut answer);
                return Some(answer);
            }
        }
        None
    }

    /// Changes the application's answer, or the shard's own, on its way out.
    pub(crate) fn leave(&self, seen: Seen<'_>, answer: &mut Answer) {
        leave_through(&self.layers, seen, answer);
    }
}

fn leave_through(layers: &[Layer], seen: Seen<'_>, answer: &mut Answer) {
    if seen.is_websocket() {
        // What goes on there is no HTTP any more.
        return;
    }
    for layer in layers.iter().rev() {
        match layer {
            Layer::Cors(cors) => cors.leave(seen, answer),
            Layer::Compression(compression) => compression.leave(seen, answer),
            Layer::TrustedHost(_) | Layer::HttpsRedirect => {}
        }
    }
}
