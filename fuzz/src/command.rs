//! The command line: what was typed is parsed, and where it only looks it is done, on a store in memory.

use std::sync::OnceLock;

use bytes::Bytes;
use clap::Parser as _;
use queue_core::message::Draft;
use queue_core::store::{Outgoing, StoreOptions, connect_with};
use queue_core::{Priority, QueueName, TaskId, Timestamp};
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command};
use crate::commands;
use crate::cursor::Position;
use crate::open::Session;
use crate::out::Out;
use crate::render::style::Paint;
use crate::render::{text, time};

struct Scene {
    runtime: Runtime,
    session: Session,
}

/// A store with a few jobs, one of them unreadable.
fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let session = runtime.block_on(async {
            let store = connect_with("sqlite::memory:", StoreOptions::default()).await.expect("a store");
            store.enqueue(&jobs()).await.expect("jobs");
            let now = store.now().await.expect("the time");
            Session { store, now, out: out(true) }
        });
        Scene { runtime, session }
    })
}

fn jobs() -> Vec<Outgoing> {
    let job = |n: i64| {
        let (id, queue) = (TaskId::new(format!("job-{n}")).expect("an id"), ["mail", "celery"][n as usize % 2]);
        let sent_at = Some(Timestamp::from_millis(1_700_000_000_000 + n * 60_000));
        let draft = Draft { sent_at, ..Draft::new("mail.send", id.clone(), queue) };
        let payload = if n == 3 { Bytes::from_static(b"{\"x") } else { draft.encode() };
        let (queue, due) = (QueueName::new(queue).expect("a queue"), (n > 6).then(|| Timestamp::from_millis(1 << 42)));
        Outgoing { queue, priority: Priority::new(n), due, id, task: "mail.send".into(), payload }
    };
    (0..10).map(job).collect()
}

fn out(json: bool) -> Out {
    Out { json, paint: Paint(false), paint_err: Paint(false), width: Some(80) }
}

/// One command line, its words in order, `queue` left out.
pub fn line(words: &[&str]) {
    words.iter().for_each(|word| word_alone(word));
    let typed = ["queue"].iter().chain(words);
    match Cli::try_parse_from(typed) {
        Ok(cli) => run(cli.command),
        Err(refused) => drop(refused.render().to_string()),
    }
}

/// Each word as everything that a word may be.
fn word_alone(word: &str) {
    if let Ok(position) = Position::decode(word) {
        assert_eq!(Position::decode(&position.encode()).expect("a cursor of ours"), position);
    }
    if let Ok(span) = time::parse(word) {
        let _ = (time::short(span), time::wait(Timestamp::from_millis(0).after(span), Timestamp::from_millis(7)));
    }
    if let Ok(at) = time::parse_instant(word) {
        let _ = (time::age(Some(at), Timestamp::from_millis(0)), time::instant(at, Timestamp::from_millis(i64::MAX)));
    }
    assert!(text::one_line(word).chars().all(|c| !c.is_control()));
    assert!(text::cut(word, 10).chars().count() <= 10);
    let _ = commands::enqueue::json("args", word, '[').map(|json| assert!(json.elements().is_ok()));
    let _ = commands::enqueue::json("kwargs", word, '{').map(|json| assert!(json.entries().is_ok()));
}

/// Does what ends at once and changes nothing but the store in memory.
fn run(command: Command) {
    let Scene { runtime, session } = scene();
    let done = runtime.block_on(async {
        match command {
            Command::Jobs(args) => commands::jobs::run(session, &args).await,
            Command::Job(args) => commands::job::run(session, &args).await,
            Command::Forget(args) => commands::forget::run(session, &args).await,
            Command::Retry(args) => commands::retry::run(session, &args).await,
            Command::Delete(args) => commands::delete::run(session, &args).await,
            Command::Purge(args) => commands::purge::run(session, &args).await,
            _ => return None,
        }
        .into()
    });
    if let Some(Err(error)) = done {
        let _ = (error.to_string(), error.exit());
    }
}
