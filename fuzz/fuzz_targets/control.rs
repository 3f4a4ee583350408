//! Any bytes are a request or a reply, or refused; what a request says is read, whatever it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue_core::message::Message;
use queue_core::remote::{Reply, Request};
use queue_core::store::ReplyTo;
use queue_fuzz::parts::{limits, parts};

fuzz_target!(|data: &[u8]| {
    let mut inputs = parts(data);
    let payload = inputs.next().unwrap_or_default();
    match Request::decode(payload) {
        Ok(request) => {
            asked(&request);
            queue_fuzz::control::read(&request);
            if let Ok(message) = Message::decode(inputs.next().unwrap_or_default(), &limits()) {
                queue_fuzz::control::revoke(&request, &message);
            }
        }
        Err(error) => assert!(error.to_string().len() < 1000),
    }
    if let Ok(reply) = Reply::decode(payload) {
        let to = ReplyTo { exchange: "reply.celery.pidbox".to_owned(), routing_key: "r".to_owned() };
        let again = Reply::decode(&reply.encode(&to)).expect("what was written is a reply");
        assert_eq!((again.ticket, again.answers), (reply.ticket, reply.answers));
    }
});

fn asked(request: &Request) {
    let _ = request.is_for("queue@host1");
    let again = Request::decode(&request.encode()).expect("what was written is a request");
    assert_eq!((&again.method, &again.arguments), (&request.method, &request.arguments));
    assert_eq!((&again.destination, &again.pattern), (&request.destination, &request.pattern));
    assert_eq!(again.is_for("queue@host1"), request.is_for("queue@host1"));
    if let (Some(_), Some(to)) = (&request.ticket, &request.reply_to) {
        assert_eq!((again.ticket.as_ref(), again.reply_to.as_ref()), (request.ticket.as_ref(), Some(to)));
    }
}
