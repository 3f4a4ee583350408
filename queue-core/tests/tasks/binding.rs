//! What becomes of a message's arguments.

use std::collections::BTreeMap;

use queue_core::prelude::*;
use queue_core::task::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::recorder::Bench;

#[derive(Debug, Serialize, Deserialize)]
struct Address {
    street: String,
    zip: u32,
}

#[task(name = "shop.ship")]
async fn ship(
    order_id: u64,
    note: Option<String>,
    #[default = "post"] by: String,
    #[default] copies: u8,
    ctx: Context,
    #[default(vec![1, 2])] days: Vec<u8>,
) -> String {
    format!("{order_id} {note:?} {by} {copies} {days:?} {}", ctx.attempt())
}

#[task(name = "shop.label")]
fn label(to: Address, weights: BTreeMap<String, f64>) -> String {
    format!("{} {} {weights:?}", to.street, to.zip)
}

#[task(name = "shop.nothing")]
async fn nothing() {}

struct Printer(&'static str);

#[task(name = "shop.print")]
async fn print(text: String, printer: State<Printer>) -> String {
    format!("{} prints {text}", printer.0)
}

async fn refusal<T: Task>(task: T, args: &str, kwargs: &str) -> String {
    let error = Bench::new().run_with(task, args, kwargs).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadArguments);
    assert_eq!(error.exception.exc_type, "TypeError");
    error.to_string()
}

#[tokio::test]
async fn arguments_come_by_position_or_by_keyword() {
    let bench = Bench::new();
    for (args, kwargs) in [
        (r#"[7, "fast", "air", 2, [3]]"#, "{}"),
        (r#"[7, "fast"]"#, r#"{"copies": 2, "by": "air", "days": [3]}"#),
        ("[]", r#"{"days": [3], "copies": 2, "by": "air", "note": "fast", "order_id": 7}"#),
    ] {
        let answer = bench.run_with(ship, args, kwargs).await.unwrap();
        assert_eq!(answer, r#""7 Some(\"fast\") air 2 [3] 1""#, "{args} {kwargs}");
    }
}

#[tokio::test]
async fn missing_arguments_have_their_defaults() {
    let bench = Bench::new();
    assert_eq!(bench.run_with(ship, "[7]", "{}").await.unwrap(), r#""7 None post 0 [1, 2] 1""#);
    assert_eq!(bench.run_with(ship, "[7, null]", "{}").await.unwrap(), r#""7 None post 0 [1, 2] 1""#);
    assert_eq!(bench.run_with(nothing, "[]", "{}").await.unwrap(), "null");
}

#[tokio::test]
async fn blocking_tasks_take_structs_and_pythons_numbers() {
    let args = r#"[{"street": "Main", "zip": 12345}, {"kg": NaN, "lb": 1e400}]"#;
    let answer = Bench::new().run_with(label, args, "{}").await.unwrap();
    assert_eq!(answer, r#""Main 12345 {\"kg\": NaN, \"lb\": inf}""#);
}

#[tokio::test]
async fn an_argument_of_another_type_is_named_with_what_came() {
    assert_eq!(
        refusal(ship, r#"["x"]"#, "{}").await,
        r#"task `shop.ship`: argument `order_id` (position 0): expected u64, got string "x""#
    );
    assert_eq!(
        refusal(ship, "[-1]", "{}").await,
        "task `shop.ship`: argument `order_id` (position 0): expected u64, got number -1"
    );
    assert_eq!(
        refusal(ship, "[1]", r#"{"by": null}"#).await,
        "task `shop.ship`: argument `by` (position 2): expected String, got null"
    );
    assert_eq!(
        refusal(ship, "[1, [true]]", "{}").await,
        "task `shop.ship`: argument `note` (position 1): expected Option<String>, got array [true]"
    );
}

#[tokio::test]
async fn inside_a_struct_the_wrong_field_is_named() {
    let text = refusal(label, r#"[{"street": "Main"}, {}]"#, "{}").await;
    assert!(
        text.starts_with("task `shop.label`: argument `to` (position 0): expected Address, got object {"),
        "{text}"
    );
    assert!(text.contains("missing field `zip`"), "{text}");
}

#[tokio::test]
async fn too_many_unknown_doubled_and_missing_arguments_are_named() {
    let takes = "it takes `order_id`, `note`, `by`, `copies`, `days`";
    assert_eq!(
        refusal(ship, "[1, null, \"x\", 1, [], 6]", "{}").await,
        format!("task `shop.ship`: 6 arguments were given; {takes}")
    );
    assert_eq!(
        refusal(ship, "[1]", r#"{"ctx": 1}"#).await,
        format!("task `shop.ship`: unknown argument `ctx`; {takes}")
    );
    assert_eq!(
        refusal(ship, "[1]", r#"{"order_id": 1}"#).await,
        "task `shop.ship`: argument `order_id` was given twice, by position and by keyword"
    );
    assert_eq!(
        refusal(label, "[]", "{}").await,
        "task `shop.label`: argument `to` (position 0) is missing: expected Address, \
         argument `weights` (position 1) is missing: expected BTreeMap<String, f64>"
    );
    assert_eq!(refusal(nothing, "[1]", "{}").await, "task `shop.nothing`: 1 arguments were given; it takes none");
}

#[tokio::test]
async fn a_long_argument_is_shown_in_part() {
    let text = refusal(ship, &format!("[\"{}\"]", "é".repeat(10_000)), "{}").await;
    assert!(text.chars().count() < 250, "{text}");
}

#[tokio::test]
async fn states_come_from_the_worker() {
    let mut bench = Bench::new();
    bench.state.insert(Printer("laser"));
    assert_eq!(bench.run_with(print, r#"["x"]"#, "{}").await.unwrap(), r#""laser prints x""#);
}

#[tokio::test]
async fn a_state_the_worker_lacks_fails_the_job_for_good() {
    let error = Bench::new().run_with(print, r#"["x"]"#, "{}").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.to_string().contains("Printer"), "{error}");
}

#[test]
fn the_states_a_task_needs_are_known_before_it_runs() {
    fn needs<T: Task>(_: T) -> Vec<&'static str> {
        (T::DEF.states)().iter().map(|need| need.type_name).collect()
    }
    assert_eq!(needs(print), ["tasks::binding::Printer"]);
    assert!(needs(ship).is_empty());
}
