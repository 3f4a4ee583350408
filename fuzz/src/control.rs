//! How a worker reads the arguments of a request, and which messages a revocation by stamps covers.

#[path = "../../queue-worker/src/control/args.rs"]
mod args;
#[path = "../../queue-worker/src/control/rates.rs"]
mod rates;
#[path = "../../queue-worker/src/control/stamps.rs"]
mod stamps;

use queue_core::Timestamp;
use queue_core::events::repr;
use queue_core::message::{Json, Message};
use queue_core::remote::Request;
use serde_json::Value;

use self::args::Args;

/// Reads every argument in every way that a command might.
pub fn read(request: &Request) {
    let args = Args::new(&request.method, &request.arguments);
    let names = request.arguments.keys().map(String::as_str).chain(["missing"]);
    for name in names {
        let refused = [
            args.only(&[]).err(),
            args.text(name).err(),
            args.count(name, 1).err(),
            args.seconds(name).err(),
            args.ids(name).err(),
            args.queue(name).err(),
        ];
        for text in refused.into_iter().flatten() {
            assert!(text.contains("Error("), "{text}");
        }
        let _ = (args.flag(name), args.signal(name), args.list(name));
        if let Ok(text) = args.text(name) {
            rate(text);
        }
    }
}

fn rate(text: &str) {
    if let Ok(rate) = rates::Rate::parse(text) {
        let rates = rates::Rates::default();
        rates.set("t", text, rate);
        assert_eq!(rates.of("t").is_some(), rate.is_some());
        let now = Timestamp::from_millis(1_700_000_000_000);
        let message = message();
        let _ = (rates.admit(&message, now), rates.admit(&message, now));
    }
}

fn message() -> Message {
    let draft = queue_core::message::Draft::new("t", queue_core::TaskId::random(), "q");
    Message::decode(&draft.encode(), &super::parts::limits()).expect("what was written is read")
}

/// Revokes by stamps, and looks whether `message` carries one of them.
pub fn revoke(request: &Request, message: &Message) {
    let stamps = stamps::Stamps::default();
    assert!(!stamps.cover(message));
    if let Some(Value::Object(headers)) = request.arguments.get("headers") {
        let named = stamps::named(headers);
        stamps.revoke(&named);
        assert_eq!(stamps.cover(message), stamps::carries(message, &named));
        let _ = Json::from_value(headers).map(|stamps| repr(stamps.as_ref()));
    }
}
