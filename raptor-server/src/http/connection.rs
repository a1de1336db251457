//! One connection, and what cuts it.

use super::{places::Place, transport::Stream};
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

/// Knows whether a connection waits for a request, and for how long it may.
#[derive(Clone)]
pub(super) struct Clock(Arc<Times>);

struct Times {
    head: Duration,
    idle: Option<Duration>,
    state: Mutex<State>,
    /// The task that waits for bytes while a request is being answered. It is woken when the connection becomes idle, because from
    /// then on it has a deadline.
    reader: Mutex<Option<Waker>>,
}

#[derive(Clone, Copy)]
enum State {
    /// For a request, since then.
    Idle(Instant),
    /// For the rest of a request's head, whose first byte came then.
    Head(Instant),
    /// For nothing: a request is being answered, or the connection is HTTP's no more.
    Busy,
}

impl Clock {
    pub(super) fn new(head: Duration, idle: Option<Duration>) -> Self {
        Self(Arc::new(Times {
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

    /// A request has come, and is being answered until what this gives is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.set(State::Busy);
        Busy { clock: self.clone(), lasts: false }
    }

    /// Notes that bytes have come.
    fn heard(&self) {
        if let State::Idle(_) = self.state() {
            self.set(State::Head(Instant::now()));
        }
    }

    /// Notes who waits for bytes while a request is being answered.
    fn waits(&self, context: &Context<'_>) {
        if let State::Busy = self.state() {
            let mut reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
            *reader = Some(context.waker().clone());
        }
    }

    /// When the connection is to be cut, where nothing changes.
    fn limit(&self) -> Option<Instant> {
        match self.state() {
            State::Idle(since) => self.0.idle.map(|idle| since + idle),
            State::Head(since) => Some(since + self.0.head),
            State::Busy => None,
        }
    }
}

/// A request that is being answered.
pub(super) struct Busy {
    clock: Clock,
    lasts: bool,
}

impl Busy {
    /// The connection is another protocol's from now on.
    pub(super) fn for_good(mut self) {
        self.lasts = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.lasts {
            self.clock.set(State::Idle(Instant::now()));
            let reader = self.clock.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }
}

/// A connection that fails where its clock says so, or where nothing is taken of what is written for too long.
pub struct Timed {
    stream: Stream,
    clock: Clock,
    still: Duration,
    waiting: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
    place: Option<Place>,
}

impl Timed {
    pub(super) fn new(stream: Stream, clock: Clock, still: Duration, place: Option<Place>) -> Self {
        let waiting = Box::pin(sleep(Duration::ZERO));
        Self { stream, clock, still, waiting, writing: None, place }
    }

    /// The connection itself, which nothing cuts any more, and its place among those that are counted, which has to be kept for as
    /// long as the connection is used. One of a proxy has none.
    #[must_use]
    pub fn into_parts(self) -> (Stream, Option<Place>) {
        (self.stream, self.place)
    }

    fn overdue(&mut self, context: &mut Context<'_>) -> bool {
        let Some(limit) = self.clock.limit() else { return false };
        if self.waiting.deadline() != limit {
            self.waiting.as_mut().reset(limit);
        }
        self.waiting.as_mut().poll(context).is_ready()
    }

    /// Passes on what came of writing, unless nothing has come of it for too long.
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

impl AsyncRead for Timed {
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
            self.clock.heard();
        }
        if read.is_pending() {
            self.clock.waits(context);
        }
        read
    }
}

impl AsyncWrite for Timed {
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
        // TLS keeps what it has not sent yet.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.moved(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.moved(context, shut)
    }
}

/// A request's body, which fails where nothing comes of it for too long while it is being read.
pub(super) struct Moving {
    body: Incoming,
    still: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Moving {
    pub(super) fn new(body: Incoming, still: Duration) -> Self {
        Self { body, still, waiting: None }
    }
}

impl HttpBody for Moving {
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

/// An answer's body, which keeps its connection busy until it has been sent or given up.
pub(super) fn sent(body: Body, busy: Busy) -> Body {
    Body::new(body.map_err(move |error| {
        // Moved into the closure, so that it is dropped with the body.
        let _held = &busy;
        error
    }))
}
