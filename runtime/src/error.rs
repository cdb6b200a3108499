//! What can go wrong in a shard, apart from what a peer does wrong on its own connection.

use std::fmt;

/// Errors of the runtime.
#[derive(Debug)]
pub enum Error {
    /// io_uring could not be set up: kernel too old, forbidden, or too little locked memory.
    Reactor(std::io::Error),
    /// A listening socket could not be used.
    Listener(std::io::Error),
    /// Two routes cannot be told apart, or a path pattern is malformed.
    Route {
        /// The path pattern.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A peer's bytes broke the protocol.
    Protocol(protocols::Error),
    /// A socket or a file failed.
    Io(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reactor(problem) => write!(f, "io_uring is not available: {problem}"),
            Self::Listener(error) => write!(f, "the listening socket failed: {error}"),
            Self::Route { path, problem } => write!(f, "route {path}: {problem}"),
            Self::Protocol(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<protocols::Error> for Error {
    fn from(error: protocols::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
