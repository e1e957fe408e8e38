//! What a driver says and hears over the connection that it means by default.

/// Gives a driver the methods of [`TcpConnection`](crate::TcpConnection) that
/// talk, each over the connection that the method `$connection` gives.
macro_rules! talk {
    ($connection:ident: $($name:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
        $(
            #[doc = $what]
            ///
            #[doc = concat!(
                "Over [`", stringify!($connection), "`](Self::", stringify!($connection),
                "), with the driver's `io_timeout`, and its `encoding` for text."
            )]
            ///
            /// # Errors
            ///
            #[doc = concat!(
                "Returns the errors of [`TcpConnection::", stringify!($name), "`] and [`", stringify!($connection),
                "`](Self::", stringify!($connection), ")."
            )]
            #[track_caller]
            pub fn $name(&self, $($argument: $kind),*) -> Result<$result, crate::TcpError> {
                self.$connection()?.$name($($argument),*)
            }
        )+
    };
    ($connection:ident) => {
        crate::talk::talk! { $connection:
            send(bytes: impl AsRef<[u8]>) -> usize, "Sends all of `bytes`, and returns how many they were.";
            send_text(text: impl AsRef<str>) -> usize, "Sends all of `text`, and returns how many bytes it became.";
            receive_exactly(size: usize) -> Vec<u8>, "Receives exactly `size` bytes.";
            receive_exactly_text(size: usize) -> String, "Receives exactly `size` bytes, as text.";
            receive_some(limit: usize) -> Vec<u8>,
                "Receives what comes first, from 1 to `limit` bytes.";
            receive_some_text(limit: usize) -> String,
                "Receives the whole characters that come first, at most `limit` bytes of them.";
            receive_until(delimiter: impl AsRef<[u8]>) -> Vec<u8>, "Receives up to and including `delimiter`.";
            receive_until_text(delimiter: impl AsRef<str>) -> String, "Receives up to and including `delimiter`, as text.";
            receive_line() -> Vec<u8>, "Receives a line, and returns it without its LF or CRLF.";
            receive_line_text() -> String, "Receives a line, and returns it without its LF or CRLF, as text.";
            receive_matching(matching: impl FnMut(&[u8]) -> Option<usize>) -> Vec<u8>,
                "Receives up to where `matching` says: it is shown all bytes that have come, and returns how many of them to take.";
            peek(limit: usize) -> Vec<u8>,
                "Returns what the next receive would find, from 1 to `limit` bytes, without taking it.";
            receive_to_end() -> Vec<u8>, "Receives everything until the peer closes its end.";
            receive_to_end_text() -> String, "Receives everything until the peer closes its end, as text.";
            receive_frame(framing: &mut (impl standin_socket::framing::Framing + ?Sized)) -> Vec<u8>,
                "Receives one frame, and returns its payload.";
            send_frame(
                framing: &mut (impl standin_socket::framing::Framing + ?Sized),
                payload: impl AsRef<[u8]>
            ) -> usize, "Sends `payload` as one frame, and returns how many bytes the frame has.";
            expect(expected: impl AsRef<[u8]>) -> (), "Receives `expected`, and nothing else will do.";
            expect_text(expected: impl AsRef<str>) -> (), "Receives the text `expected`, and nothing else will do.";
        }
    };
}

pub(crate) use talk;
