//! What a connection reads from and writes to.

use std::io::{self, Read};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};

/// What goes both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {
    /// Reads what is there, without waiting and without asking to be woken: [`read_now`], where the stream is a socket.
    fn read_now(&self, _into: &mut BytesMut) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Duplex for tokio::net::TcpStream {
    fn read_now(&self, into: &mut BytesMut) -> io::Result<usize> {
        read_now(self, into)
    }
}

#[cfg(unix)]
impl Duplex for tokio::net::UnixStream {
    fn read_now(&self, into: &mut BytesMut) -> io::Result<usize> {
        read_now(self, into)
    }
}

/// Past the runtime, which would ask the system only after an event.
fn read_now<'a>(socket: impl Into<SockRef<'a>>, into: &mut BytesMut) -> io::Result<usize> {
    let mut piece = [0; 512];
    let read = (&*socket.into()).read(&mut piece)?;
    into.extend_from_slice(&piece[..read]);
    Ok(read)
}
