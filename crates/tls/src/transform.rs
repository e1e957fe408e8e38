//! A session as the transform of a connection.

use std::any::Any;
use std::sync::Arc;

use standin_socket::{Received, Transform, TransformError};

use crate::error::TlsError;
use crate::session::{Plain, Session};

impl Transform for Session {
    fn read_wire(&mut self, wire: &mut &[u8], output: &mut Vec<u8>) -> Result<(), TransformError> {
        let outcome = Session::read_wire(self, wire);
        // Also the alert that says what is wrong.
        self.take_output(output);
        outcome.map_err(TransformError::new)
    }

    fn wire_ended(&mut self) -> Result<(), TransformError> {
        Session::wire_ended(self).map_err(TransformError::new)
    }

    fn receive(&mut self, target: &mut [u8]) -> Result<Received, TransformError> {
        Ok(match self.read_plain(target) {
            Plain::Bytes(count) => Received::Bytes(count),
            Plain::Nothing => Received::Nothing,
            Plain::Ended => Received::Ended,
        })
    }

    fn send(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Result<(), TransformError> {
        match self.error() {
            Some(error) => Err(TransformError::new(TlsError::clone(error))),
            None => {
                self.write(bytes, output);
                Ok(())
            }
        }
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        Session::close(self, output);
    }

    fn details(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        let info: Arc<dyn Any + Send + Sync> = self.info().clone();
        Some(info)
    }
}
