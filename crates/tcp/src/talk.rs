//! The operations of a driver on its default connection.

/// The operations on a connection, in one table: the method's name, that of its async form, its
/// parameters and its result. Calls the macro `$callback` with `$prefix` and the table.
#[doc(hidden)]
#[macro_export]
macro_rules! over_a_connection {
    ([$($callback:tt)+] $($prefix:tt)*) => {
        $($callback)+! { $($prefix)*
            send, send_async(bytes: impl AsRef<[u8]>) -> usize, "Sends all of `bytes`, and returns how many they were.";
            send_text, send_text_async(text: impl AsRef<str>) -> usize, "Sends all of `text`, and returns how many bytes it became.";
            receive_exactly, receive_exactly_async(size: usize) -> Vec<u8>, "Receives exactly `size` bytes.";
            receive_exactly_text, receive_exactly_text_async(size: usize) -> String, "Receives exactly `size` bytes, as text.";
            receive_some, receive_some_async(limit: usize) -> Vec<u8>,
                "Receives what comes first, from 1 to `limit` bytes.";
            receive_some_text, receive_some_text_async(limit: usize) -> String,
                "Receives the whole characters that come first, at most `limit` bytes of them.";
            receive_until, receive_until_async(delimiter: impl AsRef<[u8]>) -> Vec<u8>, "Receives up to and including `delimiter`.";
            receive_until_text, receive_until_text_async(delimiter: impl AsRef<str>) -> String, "Receives up to and including `delimiter`, as text.";
            receive_line, receive_line_async() -> Vec<u8>, "Receives a line, and returns it without its LF or CRLF.";
            receive_line_text, receive_line_text_async() -> String, "Receives a line, and returns it without its LF or CRLF, as text.";
            receive_matching, receive_matching_async(matching: impl FnMut(&[u8]) -> Option<usize>) -> Vec<u8>,
                "Receives up to where `matching` says: it is shown all bytes that have come, and returns how many of them to take.";
            peek, peek_async(limit: usize) -> Vec<u8>,
                "Returns what the next receive would find, from 1 to `limit` bytes, without taking it.";
            receive_to_end, receive_to_end_async() -> Vec<u8>, "Receives everything until the peer closes its end.";
            receive_to_end_text, receive_to_end_text_async() -> String, "Receives everything until the peer closes its end, as text.";
            receive_frame, receive_frame_async(framing: &mut (impl $crate::Framing + ?Sized)) -> Vec<u8>,
                "Receives one frame, and returns its payload.";
            send_frame, send_frame_async(
                framing: &mut (impl $crate::Framing + ?Sized),
                payload: impl AsRef<[u8]>
            ) -> usize, "Sends `payload` as one frame, and returns how many bytes the frame has.";
            expect, expect_async(expected: impl AsRef<[u8]>) -> (), "Receives `expected`; anything else is an error.";
            expect_text, expect_text_async(expected: impl AsRef<str>) -> (), "Receives the text `expected`; anything else is an error.";
        }
    };
}

/// Adds the sending and receiving methods of [`TcpConnection`](crate::TcpConnection) to a driver.
/// Each uses the connection that the method `$connection` returns.
macro_rules! talk {
    ($connection:ident: $($name:ident, $_:ident($($argument:ident: $kind:ty),*) -> $result:ty, $what:literal;)+) => {
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
        crate::over_a_connection! { [crate::talk::talk] $connection: }
    };
}

pub(crate) use talk;
