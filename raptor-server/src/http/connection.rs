//! A single connection and the timeouts that close it.

use super::{slots::ConnectionSlot, transport::Stream};
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Tracks whether a connection is waiting for a request, and until when it may.
#[derive(Clone)]
pub(super) struct IdleTimer(Arc<TimerState>);

struct TimerState {
    head: Duration,
    idle: Option<Duration>,
    state: Mutex<State>,
    /// The task that waits for bytes while a request is being answered. Woken when the connection becomes idle, because from
    /// then on it has a deadline.
    reader: Mutex<Option<Waker>>,
}

#[derive(Clone, Copy)]
enum State {
    /// Waiting for a request since this time.
    Idle(Instant),
    /// Waiting for the rest of a request's head, whose first byte arrived at this time.
    Head(Instant),
    /// A request is being answered, or the connection was upgraded to another protocol. No deadline.
    Busy,
}

impl IdleTimer {
    pub(super) fn new(head: Duration, idle: Option<Duration>) -> Self {
        Self(Arc::new(TimerState {
            head,
            idle,
            state: Mutex::new(State::Idle(Instant::now())),
            reader: Mutex::default(),
        }))
    }

    fn set(&self, state: State) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn state(&self) -> State {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a request as being answered until the returned guard is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.set(State::Busy);
        Busy { timer: self.clone(), lasts: false }
    }

    /// Records that bytes arrived.
    fn received(&self) {
        if let State::Idle(_) = self.state() {
            self.set(State::Head(Instant::now()));
        }
    }

    /// Stores the task that waits for bytes while a request is being answered.
    fn register(&self, context: &Context<'_>) {
        if let State::Busy = self.state() {
            let mut reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
            *reader = Some(context.waker().clone());
        }
    }

    /// The time at which to close the connection if nothing more happens.
    fn limit(&self) -> Option<Instant> {
        match self.state() {
            State::Idle(since) => self.0.idle.map(|idle| since + idle),
            State::Head(since) => Some(since + self.0.head),
            State::Busy => None,
        }
    }
}

/// Held while a request is being answered.
pub(super) struct Busy {
    timer: IdleTimer,
    lasts: bool,
}

impl Busy {
    /// Disables the timeouts for good: the connection was upgraded to another protocol.
    pub(super) fn disable(mut self) {
        self.lasts = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.lasts {
            self.timer.set(State::Idle(Instant::now()));
            let reader = self.timer.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }
}

/// A stream that fails once its deadline has passed, or once the peer has read nothing for too long.
pub struct TimedStream {
    stream: Stream,
    timer: IdleTimer,
    still: Duration,
    waiting: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
    slot: Option<ConnectionSlot>,
}

impl TimedStream {
    pub(super) fn new(
        stream: Stream,
        timer: IdleTimer,
        still: Duration,
        slot: Option<ConnectionSlot>,
    ) -> Self {
        let waiting = Box::pin(sleep(Duration::ZERO));
        Self { stream, timer, still, waiting, writing: None, slot }
    }

    /// The underlying stream without timeouts, and the connection's slot, which has to be held for as long as the stream is used.
    /// Connections of a proxy have no slot.
    #[must_use]
    pub fn into_parts(self) -> (Stream, Option<ConnectionSlot>) {
        (self.stream, self.slot)
    }

    fn overdue(&mut self, context: &mut Context<'_>) -> bool {
        let Some(limit) = self.timer.limit() else { return false };
        if self.waiting.deadline() != limit {
            self.waiting.as_mut().reset(limit);
        }
        self.waiting.as_mut().poll(context).is_ready()
    }

    /// Passes on the result of a write, unless writes have made no progress for too long.
    fn moved<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let still = self.still;
        let writing = self.writing.get_or_insert_with(|| Box::pin(sleep(still)));
        ready!(writing.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.overdue(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.timer.received();
        }
        if read.is_pending() {
            self.timer.register(context);
        }
        read
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.moved(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS buffers data that has not been sent yet.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.moved(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.moved(context, shut)
    }
}

/// A request body that fails when it makes no progress for too long while it is being read.
pub(super) struct TimedBody {
    body: Incoming,
    still: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl TimedBody {
    pub(super) fn new(body: Incoming, still: Duration) -> Self {
        Self { body, still, waiting: None }
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        let still = self.still;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(still)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Wraps a response body so that its connection counts as busy until the body was sent or dropped.
pub(super) fn sent(body: Body, busy: Busy) -> Body {
    Body::new(body.map_err(move |error| {
        // Moved into the closure, so that it is dropped with the body.
        let _held = &busy;
        error
    }))
}
