//! Who publishes: one keep-alive connection that posts each message to the server.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::response::ResponseParser;
use crate::target::Target;

/// A server that does not answer for as long is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 4096;

/// The connection. An answer is read before the next message is posted: nobody waits for it.
#[derive(Debug)]
pub struct Publisher {
    stream: TcpStream,
    parser: ResponseParser,
    head: String,
    is_answered: bool,
}

impl Publisher {
    /// Connects; messages go to `path` of the target.
    pub fn connect(target: &Target, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&target.address, ANSWER_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self {
            stream,
            parser: ResponseParser::new("POST"),
            head: format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain\r\n",
                target.host
            ),
            is_answered: true,
        })
    }

    /// Posts a message.
    pub fn publish(&mut self, text: &str) -> io::Result<()> {
        self.wait_until_answered()?;
        let request = format!("{}content-length: {}\r\n\r\n{text}", self.head, text.len());
        self.is_answered = false;
        self.stream.write_all(request.as_bytes())
    }

    /// Reads the answer to the last message.
    pub fn wait_until_answered(&mut self) -> io::Result<()> {
        let mut buffer = [0; BUFFER_BYTES];
        while !self.is_answered {
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::Error::other("the publisher's connection was closed"));
            }
            let progress = self
                .parser
                .push(&buffer[..count])
                .map_err(io::Error::other)?;
            if let Some(answer) = progress.answer {
                if !(200..300).contains(&answer.status) {
                    let status = answer.status;
                    return Err(io::Error::other(format!("publishing: status {status}")));
                }
                self.is_answered = true;
            }
        }
        Ok(())
    }
}
