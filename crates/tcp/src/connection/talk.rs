//! Sends and receives, independent of the waiter: the calling thread in the methods of
//! [`TcpConnection`](super::TcpConnection), a task of a runtime in their async forms.

use std::fmt;
use std::time::{Duration, Instant};

use standin_socket::Operations;
use standin_socket::framing::Framing;
use standin_socket::operation::{Operation, Place, Wait};

use super::text::Until;
use super::{Noted, TcpConnection};
use crate::TcpError;

/// Sends and receives, with `W` as the waiter. Each method corresponds to the one of the same name
/// of [`TcpConnection`].
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Talk<'c, W> {
    connection: &'c TcpConnection,
    wait: W,
    place: Place,
}

impl TcpConnection {
    /// Sends and receives, with `wait` as the waiter, called at the line `place` of a test.
    #[doc(hidden)]
    pub fn talk<W: Wait>(&self, wait: W, place: Place) -> Talk<'_, W> {
        Talk {
            connection: self,
            wait,
            place,
        }
    }
}

impl<'c, W: Wait + Copy> Talk<'c, W> {
    pub async fn send(self, bytes: impl AsRef<[u8]>) -> Result<usize, TcpError> {
        self.run(self.operations().send(bytes, self.connection.timeout))
            .await
    }

    pub async fn receive_exactly(self, size: usize) -> Result<Vec<u8>, TcpError> {
        self.run(
            self.operations()
                .receive_exactly(size, self.connection.timeout),
        )
        .await
    }

    pub async fn receive_some(self, limit: usize) -> Result<Vec<u8>, TcpError> {
        self.run(
            self.operations()
                .receive_some(limit, self.connection.timeout),
        )
        .await
    }

    pub async fn receive_into(self, target: &mut [u8]) -> Result<usize, TcpError> {
        self.run(
            self.operations()
                .receive_into(target, self.connection.timeout),
        )
        .await
    }

    pub async fn receive_until(self, delimiter: impl AsRef<[u8]>) -> Result<Vec<u8>, TcpError> {
        self.run(
            self.operations()
                .receive_until(delimiter.as_ref(), self.connection.timeout),
        )
        .await
    }

    pub async fn receive_line(self) -> Result<Vec<u8>, TcpError> {
        self.run(self.operations().receive_line(self.connection.timeout))
            .await
    }

    pub async fn receive_to_end(self) -> Result<Vec<u8>, TcpError> {
        self.run(self.operations().receive_to_end(self.connection.timeout))
            .await
    }

    pub async fn receive_matching(
        self,
        matching: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Vec<u8>, TcpError> {
        self.run(
            self.operations()
                .receive_matching(matching, self.connection.timeout),
        )
        .await
    }

    pub async fn receive_until_silence(self, silence: Duration) -> Result<Vec<u8>, TcpError> {
        self.run(
            self.operations()
                .receive_until_silence(silence, self.connection.timeout),
        )
        .await
    }

    pub async fn peek(self, limit: usize) -> Result<Vec<u8>, TcpError> {
        self.run(self.operations().peek(limit, self.connection.timeout))
            .await
    }

    pub async fn receive_frame(
        self,
        framing: &mut (impl Framing + ?Sized),
    ) -> Result<Vec<u8>, TcpError> {
        self.run(
            self.operations()
                .receive_frame(framing, self.connection.timeout),
        )
        .await
    }

    pub async fn send_frame(
        self,
        framing: &mut (impl Framing + ?Sized),
        payload: impl AsRef<[u8]>,
    ) -> Result<usize, TcpError> {
        self.run(
            self.operations()
                .send_frame(framing, payload.as_ref(), self.connection.timeout),
        )
        .await
    }

    pub async fn expect(self, expected: impl AsRef<[u8]>) -> Result<(), TcpError> {
        self.run(self.operations().expect(expected, self.connection.timeout))
            .await
    }

    pub async fn send_text(self, text: impl AsRef<str>) -> Result<usize, TcpError> {
        self.send(self.connection.encode(text.as_ref())?).await
    }

    pub async fn receive_exactly_text(self, size: usize) -> Result<String, TcpError> {
        let bytes = self.receive_exactly(size).await?;
        self.connection.decode(bytes)
    }

    pub async fn receive_some_text(self, limit: usize) -> Result<String, TcpError> {
        let TcpConnection {
            socket,
            timeout,
            encoding,
            ..
        } = self.connection;
        let started = Instant::now();
        let mut bytes = self.receive_some(limit).await?;
        loop {
            let (text, size, mode) = match encoding.decode_piece(&self.connection.mode(), &bytes) {
                Ok(piece) => (piece.text, piece.size, piece.mode),
                Err(position) => return Err(self.connection.undecodable(bytes, position)),
            };
            if !text.is_empty() || limit == 0 {
                socket.unread(bytes.split_off(size));
                self.connection.set_mode(mode);
                return Ok(text);
            }
            if bytes.len() >= limit {
                return Err(self.connection.undecodable(bytes, size));
            }
            // Only the beginning of a character: one byte more than there is.
            let more = bytes.len() + 1;
            let left = timeout.map(|limit| limit.saturating_sub(started.elapsed()));
            // Before the wait, which may be given up.
            socket.unread(bytes);
            let received = self.operations().receive_exactly(more, left);
            bytes = match self.wait.run(received).await {
                Err(error) if error.is_peer_closed() => {
                    let rest = self.operations().receive_some(limit, Duration::ZERO);
                    return self.connection.decode(self.run(rest).await?);
                }
                received => self.connection.noted(received)?,
            };
        }
    }

    pub async fn receive_until_text(self, delimiter: impl AsRef<str>) -> Result<String, TcpError> {
        let delimiter = delimiter.as_ref();
        if self.connection.encoding.finds_bytes(delimiter) {
            let delimiter = self.connection.encode(delimiter)?;
            let bytes = self.receive_until(delimiter).await?;
            return self.connection.decode(bytes);
        }
        let mut until = Until::of(self.connection, delimiter);
        self.receive_frame(&mut until).await?;
        Ok(until.into_text(self.connection))
    }

    pub async fn receive_line_text(self) -> Result<String, TcpError> {
        let mut line = self.receive_until_text("\n").await?;
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
        Ok(line)
    }

    pub async fn receive_to_end_text(self) -> Result<String, TcpError> {
        let bytes = self.receive_to_end().await?;
        self.connection.decode(bytes)
    }

    pub async fn expect_text(self, expected: impl AsRef<str>) -> Result<(), TcpError> {
        self.expect(self.connection.encode(expected.as_ref())?)
            .await
    }

    pub fn close(self) {
        self.connection.socket.close_at(self.place);
    }

    pub fn shutdown_write(self) -> Result<(), TcpError> {
        Ok(self.connection.socket.shutdown_write_at(self.place)?)
    }

    pub fn reset(self) -> Result<(), TcpError> {
        Ok(self.connection.socket.reset_at(self.place)?)
    }

    pub async fn reset_after_receiving(self, count: usize) -> Result<Vec<u8>, TcpError> {
        let received = self.receive_exactly(count).await?;
        // Fails only when another thread has just closed it, which was first then.
        let _ = self.connection.socket.reset_at(self.place);
        Ok(received)
    }

    pub async fn reset_after_sending(
        self,
        bytes: impl AsRef<[u8]>,
        count: usize,
    ) -> Result<usize, TcpError> {
        let bytes = bytes.as_ref();
        let sent = self.send(&bytes[..count.min(bytes.len())]).await?;
        let _ = self.connection.socket.reset_at(self.place);
        Ok(sent)
    }

    pub async fn send_in_pieces(
        self,
        bytes: impl AsRef<[u8]>,
        size: usize,
        every: Duration,
    ) -> Result<usize, TcpError> {
        let timeout = self.connection.timeout;
        self.run(
            self.operations()
                .send_in_pieces(bytes, size, every, timeout),
        )
        .await
    }

    pub async fn send_delayed(
        self,
        bytes: impl AsRef<[u8]>,
        delay: Duration,
    ) -> Result<usize, TcpError> {
        let timeout = self.connection.timeout;
        self.run(self.operations().send_delayed(bytes, delay, timeout))
            .await
    }

    fn operations(&self) -> Operations<'c> {
        self.connection.socket.operations(self.place)
    }

    async fn run<T>(
        &self,
        operation: impl Operation<Output = Result<T, impl Noted>>,
    ) -> Result<T, TcpError> {
        self.connection.noted(self.wait.run(operation).await)
    }
}

impl<W> fmt::Debug for Talk<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Talk").field(self.connection).finish()
    }
}
