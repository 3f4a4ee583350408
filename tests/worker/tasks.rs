//! The tasks that the worker under test runs.

use queue_core::prelude::*;

use crate::scene::Stage;

#[derive(Debug, thiserror::Error)]
#[error("the printer is out of paper")]
pub(crate) struct Paper;

#[task(name = "t.add")]
pub(crate) async fn add(x: i64, y: i64) -> i64 {
    x + y
}

#[task(name = "t.add_blocking")]
pub(crate) fn add_blocking(x: i64, y: i64) -> i64 {
    assert!(std::thread::current().name().is_some_and(|name| name.starts_with("queue-task")));
    x + y
}

/// Fails until it was tried `after` times.
#[task(name = "t.flaky", max_retries = 3, backoff = "1ms..5ms")]
pub(crate) async fn flaky(after: u32, stage: State<Stage>, ctx: Context) -> Result<u32, Paper> {
    stage.say("flaky");
    if ctx.retries() < after { Err(Paper) } else { Ok(ctx.retries()) }
}

/// Waits until the stage is open, then fails once, to be tried again an hour later.
#[task(name = "t.held_up")]
pub(crate) async fn held_up(stage: State<Stage>, ctx: Context) -> TaskResult<u32> {
    stage.say("tried");
    stage.opened().await;
    if ctx.retries() > 0 {
        return Ok(ctx.retries());
    }
    stage.say("failed");
    Err(TaskError::retry_in(hours(1)))
}

/// Asks for a retry with more than a worker reads.
#[task(name = "t.regrow", max_retries = 3)]
pub(crate) async fn regrow(text: String, ctx: Context) -> TaskResult<u32> {
    Err(ctx.retry().after(Duration::from_millis(1)).args([text.repeat(64 << 20)]).into())
}

/// Asks for a retry with what are no arguments.
#[task(name = "t.miswrite", max_retries = 3)]
pub(crate) async fn miswrite(stage: State<Stage>, ctx: Context) -> TaskResult<u32> {
    stage.say("miswrite");
    Err(ctx.retry().args(7).after(Duration::from_millis(1)).because(Paper).into())
}

#[task(name = "t.fatal", max_retries = 3, backoff = "1ms..5ms")]
pub(crate) async fn fatal(stage: State<Stage>) -> TaskResult {
    stage.say("fatal");
    Err(TaskError::fatal(Paper))
}

#[task(name = "t.reject")]
pub(crate) async fn reject() -> TaskResult {
    Err(TaskError::reject("not for us"))
}

#[task(name = "t.panic")]
pub(crate) async fn panic() -> u32 {
    tokio::task::yield_now().await;
    let list: Vec<u32> = Vec::new();
    list[7]
}

#[task(name = "t.panic_blocking")]
pub(crate) fn panic_blocking() -> u32 {
    panic!("blocked out")
}

/// Asks to run later until it was said three times.
#[task(name = "t.snooze")]
pub(crate) async fn snooze(stage: State<Stage>, ctx: Context) -> TaskResult<u32> {
    stage.say("snooze");
    match stage.count("snooze") {
        1 | 2 => Err(TaskError::snooze(Duration::from_millis(20))),
        _ => Ok(ctx.retries()),
    }
}

/// Says `line` and that is all.
#[task(name = "t.say")]
pub(crate) async fn say(line: String, stage: State<Stage>) {
    stage.say(line);
}

/// Says that it started, waits until the stage is open, says that it ended.
#[task(name = "t.hold")]
pub(crate) async fn hold(stage: State<Stage>) -> u32 {
    stage.say("started");
    stage.opened().await;
    stage.say("ended");
    7
}

#[task(name = "t.hold_blocking")]
pub(crate) fn hold_blocking(stage: State<Stage>) {
    stage.say("started");
    stage.opened_blocking();
    stage.say("ended");
}

#[task(name = "t.hold_early", acks = "early")]
pub(crate) async fn hold_early(stage: State<Stage>) -> u32 {
    stage.say("started");
    stage.opened().await;
    stage.say("ended");
    7
}

/// Ends with an error as soon as it is asked to.
#[task(name = "t.obedient", max_retries = 3)]
pub(crate) async fn obedient(stage: State<Stage>, ctx: Context) -> TaskResult {
    stage.say("started");
    ctx.cancelled().await;
    stage.say("asked to end");
    Err(TaskError::msg("I was asked to end"))
}

/// Sends two jobs of its own.
#[task(name = "t.parent")]
pub(crate) async fn parent() -> TaskResult<u32> {
    say.delay("child").await?;
    say.delay("child").await?;
    Ok(2)
}

/// Sends calls with keys, of which some stand: each alone and all together. One of them is another task's.
#[task(name = "t.keyed")]
pub(crate) async fn keyed(keys: Vec<String>, ctx: Context) -> TaskResult<Vec<String>> {
    let mut ids = Vec::new();
    for key in &keys {
        ids.push(say.s("child").idempotency_key(key).send().await?.id().to_string());
    }
    let sent = ctx.client().send_many(keys.iter().map(|key| say.s("child").idempotency_key(key))).await?;
    ids.extend(sent.iter().map(|job| job.id().to_string()));
    let taken = format!("{}.taken", keys[0]);
    let first = add.s(1, 1).idempotency_key(&taken).send().await?;
    ids.push(first.id().to_string());
    assert!(say.s("child").idempotency_key(&taken).send().await.is_err());
    let mixed = [say.s("child").idempotency_key(&taken), say.s("child")];
    assert!(ctx.client().send_many(mixed).await.is_err());
    Ok(ids)
}

#[task(name = "t.quiet", ignore_result = true)]
pub(crate) async fn quiet(stage: State<Stage>) -> u32 {
    stage.say("quiet");
    1
}

/// Stores a state of its own, then waits.
#[task(name = "t.progress", track_started = true)]
pub(crate) async fn progress(stage: State<Stage>, ctx: Context) -> TaskResult<bool> {
    stage.say("started");
    stage.opened().await;
    let stands = ctx.progress("PROGRESS", json!({ "done": 50 })).await?;
    stage.say("progressed");
    ctx.cancelled().await;
    Ok(stands)
}

#[task(name = "t.mul")]
pub(crate) async fn mul(x: i64, y: i64) -> i64 {
    x * y
}

#[task(name = "t.sum")]
pub(crate) async fn sum(numbers: Vec<i64>, stage: State<Stage>) -> i64 {
    stage.say("sum");
    numbers.iter().sum()
}

/// Says what it was given, and gives it back.
#[task(name = "t.echo")]
pub(crate) async fn echo(value: serde_json::Value, stage: State<Stage>) -> serde_json::Value {
    stage.say(format!("echo {value}"));
    value
}

#[task(name = "t.fail")]
pub(crate) async fn fail(text: String) -> TaskResult<i64> {
    Err(TaskError::fatal(text))
}

/// An errback: gets the id of what failed.
#[task(name = "t.on_error")]
pub(crate) async fn on_error(id: String, note: String, stage: State<Stage>) {
    stage.say(format!("{note} {id}"));
}

/// Lets another task take its place.
#[task(name = "t.replaced")]
pub(crate) async fn replaced(x: i64, ctx: Context) -> TaskResult<i64> {
    Err(ctx.replace(add.s(x, 100)))
}

/// Lets a group take its place.
#[task(name = "t.replaced_by_group")]
pub(crate) async fn replaced_by_group(x: i64, ctx: Context) -> TaskResult<Vec<i64>> {
    Err(ctx.replace(group([add.s(x, 1), add.s(x, 2)])))
}

/// Adds another part to its chord.
#[task(name = "t.extend")]
pub(crate) async fn extend(x: i64, ctx: Context) -> i64 {
    ctx.add_to_chord(add.s(x, 1000));
    x
}

/// Sends a chord and tells its result's id.
#[task(name = "t.spawn")]
pub(crate) async fn spawn(ctx: Context) -> TaskResult<String> {
    let sent = ctx.send(group([add.s(1, 1), add.s(2, 2)]).then(sum.partial())).await?;
    Ok(sent.id().to_string())
}

#[task(name = "t.nothing")]
pub(crate) async fn nothing() {}

/// Runs again with a smaller number, until it is 0.
#[task(name = "t.count_down")]
pub(crate) async fn count_down(n: u32, ctx: Context) -> TaskResult<u32> {
    match n {
        0 => Ok(ctx.retries()),
        _ => Err(ctx.retry().after(Duration::ZERO).args((n - 1,)).max_retries(5).into()),
    }
}

/// Blocks the runtime's thread until the stage is open.
#[task(name = "t.block")]
pub(crate) async fn block(stage: State<Stage>) -> u32 {
    stage.say("blocking");
    stage.opened_blocking();
    8
}

/// The same, acknowledged before its run.
#[task(name = "t.block_early", acks = "early")]
pub(crate) async fn block_early(stage: State<Stage>) -> u32 {
    stage.say("blocking");
    stage.opened_blocking();
    8
}
