//! A TCP connection that can be closed from outside.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How many bytes are read along with a packet's length field, which russh reads separately: a small packet arrives completely,
/// and most of a large one is still read directly to its destination.
const AHEAD: usize = 4 * 1024;

/// Fails in both directions once its token is cancelled, whatever it is waiting for.
pub(super) struct Transport {
    stream: BufReader<TcpStream>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    cut_too: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, cut: &CancellationToken) -> Self {
        Self {
            stream: BufReader::with_capacity(AHEAD, stream),
            cut: Box::pin(cut.clone().cancelled_owned()),
            cut_too: Box::pin(cut.clone().cancelled_owned()),
        }
    }
}

fn is_cut(cut: &mut Pin<Box<WaitForCancellationFutureOwned>>, context: &mut Context<'_>) -> io::Result<()> {
    match cut.as_mut().poll(context) {
        Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
        Poll::Pending => Ok(()),
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        is_cut(&mut self.cut, context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        is_cut(&mut self.cut_too, context)?;
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
