//! What a store holds of a chord, by whomever: its body is built, or fails with a reason.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use queue_core::canvas::{Broken, Dispatch, Part, ResultNode};
use queue_core::message::{DecodeLimits, Json, Message};
use queue_core::store::ChordParts;
use queue_core::{QueueName, TaskId, Timestamp};
use queue_fuzz::parts::{json, parts};

fuzz_target!(|data: &[u8]| {
    let mut inputs = parts(data);
    let Some(body) = json(&mut inputs) else { return };
    let meta = inputs.next().filter(|meta| !meta.is_empty()).map(Bytes::copy_from_slice);
    if let Some(tree) = meta.as_ref().and_then(|meta| Json::new(std::str::from_utf8(meta).ok()?).ok()) {
        tuple(&tree);
    }
    let members = inputs.map(Bytes::copy_from_slice).collect();
    let dispatch = dispatch(body);
    let mut setting = dispatch.setting(&QueueName::celery(), Timestamp::from_millis(1_700_000_000_000), None);
    let parts = ChordParts { meta, size: None, members };
    let broken = match dispatch.send_body(&parts, &mut setting) {
        Ok(plan) => {
            assert!(plan.messages.iter().all(|message| message.payload.starts_with(b"{")));
            Broken::join("for the sake of it")
        }
        Err(broken) => broken,
    };
    assert_eq!(broken.why.exc_type, "ChordError");
    let failure = dispatch.failure(&broken);
    assert!(Json::new(failure.as_str()).is_ok());
    let (follow, wrong) = dispatch.fail(&failure, &mut setting);
    drop((follow.plan.messages, wrong));
});

/// As a last part would write it.
fn dispatch(body: Json) -> Dispatch {
    let (group, id) = ("group-1".to_owned(), TaskId::new("part-1").expect("an id"));
    let part = Part { group, id, index: Some(0), member: Bytes::new(), body };
    let bytes = part.dispatch("token", "root", "q", TaskId::random());
    let message = Message::decode(&bytes, &DecodeLimits { max_depth: 600, ..DecodeLimits::default() });
    Dispatch::of(&message.expect("a dispatch is a message")).expect("a dispatch of ours")
}

fn tuple(tree: &Json) {
    if let Some(node) = ResultNode::from_json(tree.as_ref()) {
        assert_eq!(ResultNode::from_json(node.to_json().as_ref()), Some(node));
    }
}
