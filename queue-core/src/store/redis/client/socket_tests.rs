use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt;
use redis::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};

use super::super::looking::LOOK;
use super::*;

impl Duplex for DuplexStream {}

/// A socket, and the server's end of it.
fn pair(room: usize) -> (Arc<Socket>, DuplexStream) {
    let (ours, servers) = tokio::io::duplex(room);
    (Arc::new(Socket::new(Box::new(ours))), servers)
}

fn request(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Asks in a task of its own; its request has gone when this returns.
async fn asking(socket: &Arc<Socket>, text: &str) -> JoinHandle<RedisResult<Answers>> {
    let (socket, text, (begun, has_begun)) = (socket.clone(), request(text), oneshot::channel());
    let task = tokio::spawn(async move {
        let mut ask = std::pin::pin!(socket.ask(text, 1));
        let mut begun = Some(begun);
        poll_fn(|cx| {
            let polled = ask.as_mut().poll(cx);
            if let Some(begun) = begun.take() {
                begun.send(()).unwrap();
            }
            polled
        })
        .await
    });
    has_begun.await.unwrap();
    task
}

async fn heard(server: &mut DuplexStream, bytes: usize) -> String {
    let mut heard = vec![0; bytes];
    server.read_exact(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

fn value(answers: RedisResult<Answers>) -> Value {
    answers.unwrap().into_iter().next().unwrap()
}

#[tokio::test]
async fn each_gets_its_own_answer() {
    let (socket, mut server) = pair(1 << 16);
    let first = asking(&socket, "one").await;
    let second = asking(&socket, "two").await;
    assert_eq!(heard(&mut server, 6).await, "onetwo");
    server.write_all(b":1\r\n:2\r\n").await.unwrap();
    assert_eq!(value(first.await.unwrap()), Value::Int(1));
    assert_eq!(value(second.await.unwrap()), Value::Int(2));
}

#[tokio::test]
async fn several_answers_to_one_request_come_together() {
    let (socket, mut server) = pair(1 << 16);
    let serve = async {
        heard(&mut server, 4).await;
        server.write_all(b"+OK\r\n*1\r\n:2\r\n").await.unwrap();
    };
    let (answers, ()) = tokio::join!(socket.ask(request("both"), 2), serve);
    let answers = answers.unwrap();
    assert_eq!(answers[..], [Value::Okay, Value::Array(vec![Value::Int(2)])]);
}

/// As Redis does with a request that is longer than it takes.
#[tokio::test]
async fn a_server_that_closes_within_a_request_is_heard_out() {
    let (socket, mut server) = pair(16);
    let long = asking(&socket, "a request that is too long").await;
    heard(&mut server, 16).await;
    server.write_all(b"-ERR long\r\n").await.unwrap();
    drop(server);
    assert!(matches!(value(long.await.unwrap()), Value::ServerError(error) if error.details() == Some("long")));
    let next = asking(&socket, "next").await;
    assert!(next.await.unwrap().unwrap_err().is_io_error(), "the line is gone all the same");
}

#[tokio::test]
async fn who_is_dropped_while_it_reads_leaves_that_to_the_next() {
    let (socket, mut server) = pair(1 << 16);
    let reader = asking(&socket, "one").await;
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut next = Box::pin(socket.ask(request("two"), 1));
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "it is told at once, not when its patience ends");
    server.write_all(b":1\r\n:2\r\n").await.unwrap();
    assert_eq!(value(next.await), Value::Int(2));
    assert!(socket.lock().calls.is_empty(), "the dropped call is gone too");
}

#[tokio::test(start_paused = true)]
async fn who_waits_beside_a_reader_that_is_not_polled_reads_itself() {
    let (socket, mut server) = pair(1 << 16);
    let mut idle = Box::pin(socket.ask(request("one"), 1));
    assert!(poll_fn(|cx| Poll::Ready(idle.as_mut().poll(cx).is_pending())).await);
    let other = asking(&socket, "two").await;
    server.write_all(b":1\r\n:2\r\n").await.unwrap();
    assert_eq!(value(other.await.unwrap()), Value::Int(2));
    assert_eq!(value(idle.await), Value::Int(1), "its own was kept for it");
}

#[tokio::test]
async fn a_dropped_call_s_request_goes_whole_and_its_answer_is_thrown_away() {
    let (socket, mut server) = pair(4);
    let long = asking(&socket, "twelve bytes").await;
    long.abort();
    assert!(long.await.unwrap_err().is_cancelled());
    assert_eq!(heard(&mut server, 4).await, "twel");
    // There is room for all of it now, and something that stands before it.
    let next = asking(&socket, "next").await;
    assert_eq!(heard(&mut server, 12).await, "ve bytesnext");
    server.write_all(b":1\r\n").await.unwrap();
    server.write_all(b":2\r\n").await.unwrap();
    assert_eq!(value(next.await.unwrap()), Value::Int(2));
}

#[tokio::test]
async fn both_directions_go_on_when_both_are_full() {
    let (socket, mut server) = pair(8);
    let (asked, answer) = ("x".repeat(1000), "y".repeat(500));
    let serve = async {
        for _ in 0..3 {
            assert_eq!(heard(&mut server, asked.len()).await, asked);
            // It reads nothing while it writes.
            server.write_all(format!("$500\r\n{answer}\r\n").as_bytes()).await.unwrap();
        }
    };
    let asking = futures_util::future::try_join_all((0..3).map(|_| socket.ask(request(&asked), 1)));
    let (answers, ()) = tokio::join!(asking, serve);
    assert!(answers.unwrap().iter().all(|answers| answers[0] == Value::BulkString(answer.clone().into_bytes())));
}

#[tokio::test]
async fn all_hear_of_the_end() {
    let (socket, server) = pair(1 << 16);
    let first = asking(&socket, "one").await;
    let second = asking(&socket, "two").await;
    drop(server);
    for call in [first, second] {
        assert!(call.await.unwrap().unwrap_err().is_connection_dropped());
    }
    assert!(socket.is_gone());
    assert!(socket.ask(request("three"), 1).await.unwrap_err().is_connection_dropped());
}

#[tokio::test]
async fn an_end_in_silence_is_seen_before_the_next_request() {
    let (socket, server) = pair(1 << 16);
    assert!(!socket.is_gone());
    drop(server);
    assert!(socket.is_gone());
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_it() {
    let (socket, mut server) = pair(1 << 16);
    server.write_all(b"+hello\r\n").await.unwrap();
    assert!(socket.ask(request("one"), 1).await.is_err());
    assert!(socket.is_gone());
}

#[tokio::test]
async fn an_answer_in_pieces_is_waited_for() {
    let (socket, mut server) = pair(1 << 16);
    let call = asking(&socket, "one").await;
    for piece in ["$5\r", "\nhel", "lo\r\n"] {
        assert!(!call.is_finished());
        server.write_all(piece.as_bytes()).await.unwrap();
        yield_now().await;
    }
    assert_eq!(value(call.await.unwrap()), Value::BulkString(b"hello".to_vec()));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn who_finds_its_own_answer_does_not_wake_itself() {
    let (socket, mut server) = pair(1 << 16);
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut ask = Box::pin(socket.ask(request("one"), 1));
    assert!(ask.as_mut().poll(&mut cx).is_pending());
    server.write_all(b":1\r\n").await.unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "by the stream");
    assert!(ask.as_mut().poll(&mut cx).is_ready());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "another turn for nothing");
}

#[tokio::test]
async fn who_is_dropped_with_something_unsent_leaves_that_to_who_waits() {
    let (socket, mut server) = pair(4);
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut reader = Box::pin(socket.ask(request("one"), 1));
    assert!(reader.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(heard(&mut server, 3).await, "one");
    let long = asking(&socket, "twelve bytes").await;
    long.abort();
    assert!(long.await.unwrap_err().is_cancelled());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "the stream would wake the one that is gone");
    assert!(reader.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(heard(&mut server, 4).await, "twel");
    assert_eq!(woken.0.load(Ordering::Relaxed), 2, "there is room for more");
}

#[tokio::test(start_paused = true)]
async fn two_that_take_turns_as_readers_outlive_each_other() {
    let (socket, mut server) = pair(1 << 16);
    let first = asking(&socket, "one").await;
    let mut second = Box::pin(socket.ask(request("two"), 1));
    let by_now = tokio::time::Instant::now() + PATIENCE;
    // The second takes over, and is not polled again.
    poll_fn(|cx| {
        let pending = second.as_mut().poll(cx).is_pending();
        if pending && tokio::time::Instant::now() < by_now { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    server.write_all(b":1\r\n").await.unwrap();
    assert_eq!(value(first.await.unwrap()), Value::Int(1));
}

#[tokio::test]
async fn the_end_is_seen_after_a_call_that_was_dropped() {
    let (socket, mut server) = pair(1 << 16);
    let call = asking(&socket, "one").await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    server.write_all(b":1\r\n").await.unwrap();
    assert!(!socket.is_gone());
    assert!(socket.lock().calls.is_empty(), "its answer came all the same");
    drop(server);
    assert!(socket.is_gone());
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_a_writer_that_is_not_polled_writes_itself() {
    let (socket, mut server) = pair(4);
    let first = asking(&socket, "twelve bytes").await;
    let mut behind = Box::pin(socket.ask(request("next"), 1));
    assert!(poll_fn(|cx| Poll::Ready(behind.as_mut().poll(cx).is_pending())).await);
    assert_eq!(heard(&mut server, 12).await, "twelve bytes");
    server.write_all(b":1\r\n").await.unwrap();
    assert_eq!(value(first.await.unwrap()), Value::Int(1));
}

#[tokio::test]
async fn a_server_that_reads_nothing_costs_no_more_than_so_much() {
    let (socket, _server) = pair(1);
    let large = vec![0; MAX_UNSENT + 2];
    let call = socket.ask(large, 1);
    assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
    let refused = socket.ask(request("next"), 1).await.unwrap_err();
    assert!(refused.is_timeout() && socket.lock().unsent.is_empty(), "{refused}");
}

#[tokio::test]
async fn a_large_request_that_is_waited_for_is_not_cut_off_by_the_next() {
    let (socket, _server) = pair(1);
    let mut large = Box::pin(socket.ask(vec![0; MAX_UNSENT + 2], 1));
    let mut next = Box::pin(socket.ask(request("next"), 1));
    for call in [&mut large, &mut next] {
        assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    }
    assert!(!socket.is_gone());
}

/// A server that is full says so and closes, whatever was asked of it; so does one that takes nobody from there.
#[tokio::test]
async fn a_farewell_is_why_all_fail() {
    for (said, asked) in
        [("ERR max number of clients reached", true), ("DENIED Redis is running in protected mode", false)]
    {
        let (socket, mut server) = pair(1 << 16);
        let two = asked.then(|| {
            let socket = socket.clone();
            tokio::spawn(async move { socket.ask(request("two"), 2).await })
        });
        if asked {
            heard(&mut server, 3).await;
        }
        server.write_all(format!("-{said}\r\n").as_bytes()).await.unwrap();
        drop(server);
        if let Some(two) = two {
            assert!(two.await.unwrap().unwrap_err().to_string().contains(&said[4..]));
        }
        let error = socket.ask(request("more"), 1).await.unwrap_err();
        assert!(error.to_string().contains(said.split_once(' ').unwrap().1), "{error}");
        assert!(socket.is_gone());
    }
}

/// A stream whose answer is there at the so many-th look, and of which the runtime never hears.
struct Quiet {
    looks: Arc<AtomicUsize>,
    answer: (usize, &'static str),
}

/// A socket on such a stream, on which one looks for so long; how often it was looked at.
fn quiet(at: usize, answer: &'static str, length: Duration) -> (Socket, Arc<AtomicUsize>) {
    let looks = Arc::new(AtomicUsize::new(0));
    let socket = Socket::new(Box::new(Quiet { looks: looks.clone(), answer: (at, answer) }));
    socket.lock().looking = Looking::new(Some(length));
    (socket, looks)
}

/// Long enough for an answer that is there.
const LONG: Duration = Duration::from_secs(30);

/// What comes of a call that is polled until it sleeps: the first time it may let others go first.
async fn awake(ask: Ask<'_>) -> Option<RedisResult<Answers>> {
    let mut ask = std::pin::pin!(ask);
    let first = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx))).await;
    let last = if first.is_pending() { poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx))).await } else { first };
    match last {
        Poll::Ready(answers) => Some(answers),
        Poll::Pending => None,
    }
}

impl AsyncRead for Quiet {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Duplex for Quiet {
    fn read_now(&self, into: &mut BytesMut) -> io::Result<usize> {
        let (at, answer) = self.answer;
        if self.looks.fetch_add(1, Ordering::Relaxed) + 1 != at {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        into.extend_from_slice(answer.as_bytes());
        Ok(answer.len())
    }
}

#[tokio::test]
async fn an_answer_that_comes_at_once_is_there_without_sleeping() {
    let (socket, looks) = quiet(3, ":7\r\n", LONG);
    assert_eq!(value(awake(socket.ask_soon(request("one"))).await.unwrap()), Value::Int(7));
    assert_eq!(looks.load(Ordering::Relaxed), 3);
    // The end of the stream is an answer too.
    let (socket, _) = quiet(2, "", LONG);
    assert!(awake(socket.ask_soon(request("one"))).await.unwrap().is_err() && socket.is_gone());
    // Half of one is none.
    let (socket, _) = quiet(1, ":", LOOK);
    assert!(awake(socket.ask_soon(request("one"))).await.is_none());
}

#[tokio::test]
async fn who_is_to_send_as_well_has_its_turn_before_anybody_looks() {
    let (socket, looks) = quiet(1, ":7\r\n", LONG);
    let (mut one, mut two) = (Box::pin(socket.ask_soon(request("one"))), Box::pin(socket.ask_soon(request("two"))));
    for _ in 0..2 {
        for call in [&mut one, &mut two] {
            assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
        }
    }
    assert_eq!(looks.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_second_caller_and_who_was_to_look_get_their_own_answers() {
    let (socket, mut server) = pair(1 << 16);
    socket.lock().looking = Looking::new(Some(LONG));
    let serve = async {
        heard(&mut server, 6).await;
        server.write_all(b":1\r\n:2\r\n").await.unwrap();
    };
    let (one, two, ()) = tokio::join!(socket.ask_soon(request("one")), socket.ask_soon(request("two")), serve);
    assert_eq!((value(one), value(two)), (Value::Int(1), Value::Int(2)));
}

#[tokio::test]
async fn nobody_looks_beside_others_or_who_did_not_ask_for_it_or_where_it_does_not_help() {
    let (socket, looks) = quiet(1, ":7\r\n", LONG);
    let mut other = Box::pin(socket.ask(request("one"), 1));
    assert!(other.as_mut().now_or_never().is_none());
    assert!(awake(socket.ask_soon(request("two"))).await.is_none());
    assert_eq!(looks.load(Ordering::Relaxed), 0);
    let (socket, looks) = quiet(usize::MAX, "", LOOK);
    assert!(awake(socket.ask_soon(request("one"))).await.is_none());
    assert!(looks.load(Ordering::Relaxed) > 0);
    // It did not help there, so the next does without; on a stream where nothing is under way.
    let tired = std::mem::replace(&mut socket.lock().looking, Looking::new(None));
    let (socket, looks) = quiet(1, ":7\r\n", LONG);
    socket.lock().looking = tired;
    assert!(awake(socket.ask_soon(request("two"))).await.is_none());
    assert_eq!(looks.load(Ordering::Relaxed), 0);
}

/// Its request was not sent: what comes is no answer to it.
#[tokio::test]
async fn nobody_looks_on_a_connection_that_broke() {
    let (socket, looks) = quiet(1, ":7\r\n", LONG);
    socket.lock().fail(closed());
    assert!(awake(socket.ask_soon(request("one"))).await.unwrap().is_err());
    assert_eq!(looks.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_slept_for() {
    let (socket, mut server) = pair(1 << 16);
    let serve = async {
        heard(&mut server, 3).await;
        server.write_all(b":1\r\n").await.unwrap();
    };
    let (answers, ()) = tokio::join!(socket.ask_soon(request("one")), serve);
    assert_eq!(value(answers), Value::Int(1));
}
