//! A session as the transform of a connection.

use std::any::Any;
use std::io;
use std::sync::Arc;

use standin_socket::{Received, Transform, TransformError};

use crate::error::TlsError;
use crate::session::{Plain, Session};

impl Transform for Session {
    fn read_wire(&mut self, wire: &mut &[u8]) -> Result<(), TransformError> {
        Session::read_wire(self, wire).map_err(TransformError::new)
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

    fn send(&mut self, bytes: &[u8]) -> Result<(), TransformError> {
        match self.error() {
            Some(error) => Err(TransformError::new(TlsError::clone(error))),
            None => {
                self.write_plain(bytes);
                Ok(())
            }
        }
    }

    fn close(&mut self) {
        Session::close(self);
    }

    fn wants_write(&self) -> bool {
        Session::wants_write(self)
    }

    fn write_wire(&mut self, wire: &mut dyn io::Write) -> io::Result<()> {
        Session::write_wire(self, wire)
    }

    fn details(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        let info: Arc<dyn Any + Send + Sync> = self.info().clone();
        Some(info)
    }
}
