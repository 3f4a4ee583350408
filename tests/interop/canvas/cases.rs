//! The workflows: each a Python expression that calls one.
//!
//! Known are the tasks, Celery's primitives, `case` (whose journal `note` and the errbacks write to), `there` (a queue whose
//! worker speaks Python, also when the rest runs in Rust) and `revoked` (gives a signature an id and revokes that).

/// A workflow: its name and what calls it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) call: &'static str,
}

const fn case(name: &'static str, call: &'static str) -> Case {
    Case { name, call }
}

/// All of them.
pub(crate) const CASES: &[Case] = &[
    case("task", "add.delay(2, 3)"),
    case("task fails", "fail.delay('boom')"),
    case("task retries", "flaky.delay(7, 2)"),
    case("task retries in vain", "hopeless.delay()"),
    case("task expires", "add.apply_async((2, 3), expires=-5)"),
    case("task is stamped", "stamped(info.s(1)).delay()"),
    // Groups are their members.
    case("group", "group(add.s(i, i) for i in range(5)).delay()"),
    case("group of none", "group([]).delay()"),
    case("group of one", "group([add.s(1, 1)]).delay()"),
    case("group fails in one", "group(add.s(1, 1), fail.s('boom'), add.s(2, 2)).delay()"),
    case("group retries", "group(flaky.s(1, 2), add.s(1, 1), hopeless.s()).delay()"),
    case("group expires in one", "group(add.s(1, 1), add.s(2, 2).set(expires=-5)).delay()"),
    case("group ignores one", "group(add.s(1, 1), add.s(2, 2).set(ignore_result=True)).delay()"),
    case("group in a group", "group(add.s(1, 1), group(add.s(2, 2), add.s(3, 3))).delay()"),
    case("group with partial arguments", "group(add.s(1), mul.s(10)).delay(4)"),
    case("group knows itself", "group(info.s(1), info.s(2)).delay()"),
    case("group is stamped", "stamped(group(info.s(1), info.s(2))).delay()"),
    case("group across", "group(add.s(1, 1), add.s(2, 2).set(queue=there)).delay()"),
    // Chains.
    case("chain", "(add.s(1, 2) | mul.s(10)).delay()"),
    case("chain of one", "chain(add.s(1, 2)).delay()"),
    case("chain of five", "(add.s(1, 2) | mul.s(10) | add.s(1) | mul.s(2) | add.s(3)).delay()"),
    case("chain of fifty", "chain(add.s(0, 0), *[add.s(1)] * 49).delay()"),
    case("chain passes a list", "(ident.s([1, 2, 3]) | tsum.s()).delay()"),
    case("chain passes nothing", "(ident.s(None) | ident.s() | note.s(case=case)).delay()"),
    case("chain with keywords", "(add.s(1, 2) | add.s(y=4) | note.s(case=case)).delay()"),
    case("chain with partial arguments", "(add.s(1) | mul.s(10)).delay(4)"),
    case("chain with an immutable step", "(add.s(1, 2) | add.si(5, 6) | mul.s(2)).delay()"),
    case("chain fails at first", "(fail.s('boom') | note.s(case=case) | mul.s(2)).delay()"),
    case("chain fails in the middle", "(add.s(1, 2) | fail.si('boom') | note.s(case=case) | mul.s(2)).delay()"),
    case("chain fails at last", "(add.s(1, 2) | mul.s(2) | fail.si('boom')).delay()"),
    case("chain retries at first", "(flaky.s(5, 2) | add.s(1)).delay()"),
    case("chain retries in the middle", "(add.s(1, 2) | flaky.s(2) | mul.s(3)).delay()"),
    case("chain retries at last", "(add.s(1, 2) | mul.s(3) | flaky.s(1)).delay()"),
    case("chain retries in vain", "(add.s(1, 2) | hopeless.s() | mul.s(3)).delay()"),
    case("chain expires in the middle", "(add.s(1, 2) | mul.s(2).set(expires=-5) | note.s(case=case)).delay()"),
    case("chain ignores a step", "(add.s(1, 2) | mul.s(2).set(ignore_result=True) | add.s(1)).delay()"),
    case("chain waits in the middle", "(add.s(1, 2) | mul.s(2).set(countdown=0.1) | add.s(1)).delay()"),
    case("chain with priorities", "(add.s(1, 2) | mul.s(2).set(priority=9) | add.s(1).set(priority=3)).delay()"),
    case("chain of chains", "chain(add.s(1, 2) | mul.s(2), add.s(1) | mul.s(3)).delay()"),
    case("chain is linked", "(add.s(1, 2) | mul.s(10)).apply_async(link=note.s(case=case))"),
    case(
        "chain links a step",
        "(add.s(1, 2).on_error(err_old.s(case=case)) | linked(mul.s(10), note.s(case=case)) | add.s(1)).delay()",
    ),
    case(
        "chain has an errback",
        "(add.s(1, 2) | fail.si('boom') | mul.s(2)).apply_async(link_error=err_old.s(case=case))",
    ),
    case("chain has an errback in vain", "(add.s(1, 2) | mul.s(2)).apply_async(link_error=err_old.s(case=case))"),
    case("chain knows its steps", "(info.s(1) | info.s() | info.s()).delay()"),
    case("chain is stamped", "stamped(info.s(1) | info.s()).delay()"),
    case("chain across", "(add.s(1, 2) | mul.s(10).set(queue=there) | add.s(1)).delay()"),
    case("chain across fails", "(add.s(1, 2) | fail.si('boom').set(queue=there) | add.s(1)).delay()"),
    // Chains and groups.
    case("group of chains", "group(add.s(1, 1) | mul.s(2), add.s(2, 2) | mul.s(3)).delay()"),
    case("group of chains fails", "group(add.s(1, 1) | fail.si('boom') | mul.s(3), add.s(2, 2) | mul.s(3)).delay()"),
    case("chain to a group", "(add.s(1, 2) | group(add.s(1), mul.s(10))).delay()"),
    case("chain to a group fails before", "(add.s(1, 2) | fail.si('boom') | group(add.s(1), mul.s(10))).delay()"),
    case("chain to a group fails in it", "(add.s(1, 2) | group(add.s(1), fail.si('boom'))).delay()"),
    case("chain to a group of chains", "(add.s(1, 2) | group(add.s(1) | mul.s(2), mul.s(10) | mul.s(2))).delay()"),
    case("chain to a group of one", "(add.s(1, 1) | group(mul.s(3)) | add.s(1)).delay()"),
    case("chain to a group that knows itself", "(info.s(1) | group(info.s(), info.s())).delay()"),
    case("chain from a group", "(group(add.s(1, 1), add.s(2, 2)) | tsum.s()).delay()"),
    case("chain through a group", "(add.s(1, 2) | group(add.s(1), mul.s(10)) | tsum.s()).delay()"),
    case("chain through a group goes on", "(add.s(1, 2) | group(add.s(1), mul.s(10)) | tsum.s() | mul.s(2)).delay()"),
    case(
        "chain through a group fails",
        "(add.s(1, 2) | group(add.s(1), fail.si('boom')) | tsum.s() | mul.s(2)).delay()",
    ),
    case(
        "chain through a group fails after",
        "(add.s(1, 2) | group(add.s(1), add.s(2)) | fail.si('boom') | mul.s(2)).delay()",
    ),
    case("chain of groups", "(group(add.s(1, 1), add.s(2, 2)) | group(tsum.s(), ident.s())).delay()"),
    case(
        "chain of groups and tasks",
        "(add.s(1, 1) | group(add.s(1), add.s(2)) | tsum.s() | group(add.s(1), add.s(2)) | tsum.s()).delay()",
    ),
    case(
        "chain of groups to a task",
        "(group(add.s(1, 1), add.s(2, 2)) | group(tsum.s(), tsum.s()) | tsum.s()).delay()",
    ),
    // Chords.
    case("chord", "chord(add.s(i, i) for i in range(5))(tsum.s())"),
    case("chord of one", "chord([add.s(1, 1)])(tsum.s())"),
    case("chord of none", "chord([])(tsum.s())"),
    case("chord of fifty", "chord([add.s(i, i) for i in range(50)])(ident.s())"),
    case("chord with a body of keywords", "chord([add.s(1, 1), add.s(2, 2)])(note.s(case=case))"),
    case("chord with an immutable body", "chord([add.s(1, 1), add.s(2, 2)])(note.si('done', case=case))"),
    case("chord fails in one", "chord([add.s(1, 1), fail.s('boom'), add.s(2, 2)])(note.s(case=case))"),
    case("chord fails in two", "chord([fail.s('one'), add.s(1, 1), fail.s('two')])(note.s(case=case))"),
    case("chord fails in its body", "chord([add.s(1, 1), add.s(2, 2)])(fail.si('boom'))"),
    case("chord retries in one", "chord([flaky.s(1, 2), add.s(1, 1)])(tsum.s())"),
    case("chord retries in its body", "chord([add.s(1, 1), add.s(2, 2)])(flaky.s(2))"),
    case("chord retries in vain", "chord([hopeless.s(), add.s(1, 1)])(tsum.s())"),
    case("chord expires in one", "chord([add.s(1, 1), add.s(2, 2).set(expires=-5)])(tsum.s())"),
    case("chord ignores its parts", "chord([add.s(i, i).set(ignore_result=True) for i in range(3)])(tsum.s())"),
    case("chord ignores its body", "chord([add.s(1, 1), add.s(2, 2)])(note.s(case=case).set(ignore_result=True))"),
    case("chord of the ignored", "chord([ignored.s(1, case=case), ignored.s(2, case=case)])(tsum.s())"),
    case("chord links its body", "chord([add.s(1, 1), add.s(2, 2)])(linked(tsum.s(), note.s(case=case)))"),
    case("chord links its parts", "chord([linked(add.s(1, 1), note.s(case=case)), add.s(2, 2)])(tsum.s())"),
    case("chord has an errback", "chord([add.s(1, 1), fail.s('boom')])(tsum.s().on_error(err_old.s(case=case)))"),
    case(
        "chord has an errback of all",
        "chord([add.s(1, 1), fail.s('boom')], tsum.s()).apply_async(link_error=err_old.s(case=case))",
    ),
    case(
        "chord has an errback for its body",
        "chord([add.s(1, 1)], fail.si('boom').on_error(err_old.s(case=case))).delay()",
    ),
    case("chord of chains", "chord([add.s(1, 1) | mul.s(2), add.s(2, 2) | mul.s(3)])(tsum.s())"),
    case("chord of chains fails at first", "chord([fail.s('boom') | mul.s(2), add.s(2, 2) | mul.s(3)])(tsum.s())"),
    case("chord of chains fails at last", "chord([add.s(1, 1) | fail.si('boom'), add.s(2, 2) | mul.s(3)])(tsum.s())"),
    case("chord of chains retries", "chord([flaky.s(1, 1) | mul.s(2), add.s(2, 2) | flaky.s(1)])(tsum.s())"),
    case("chord to a chain", "chord([add.s(1, 1), add.s(2, 2)])(tsum.s() | mul.s(10) | add.s(1))"),
    case("chord to a chain fails", "chord([add.s(1, 1), fail.s('boom')])(tsum.s() | mul.s(10) | add.s(1))"),
    case("chord to a chain fails in it", "chord([add.s(1, 1), add.s(2, 2)])(tsum.s() | fail.si('boom') | add.s(1))"),
    case("chord to a group", "chord([add.s(1, 1), add.s(2, 2)], group(tsum.s(), ident.s())).delay()"),
    case("chord to a group fails", "chord([add.s(1, 1), fail.s('boom')], group(tsum.s(), ident.s())).delay()"),
    case("chord to a chord", "chord([add.s(1, 1), add.s(2, 2)], chord([tsum.s(), tsum.s()], ident.s())).delay()"),
    case("chord in a chain", "(add.s(1, 2) | chord([add.s(1), add.s(2)], tsum.s()) | mul.s(10)).delay()"),
    case("chord in a chain fails", "(add.s(1, 2) | chord([add.s(1), fail.si('boom')], tsum.s()) | mul.s(10)).delay()"),
    case("chord in a chord", "chord([chord([add.s(1, 1), add.s(2, 2)], tsum.s()), add.s(5, 5)])(ident.s())"),
    case("chord in a chord fails", "chord([chord([add.s(1, 1), fail.s('boom')], tsum.s()), add.s(5, 5)])(ident.s())"),
    case(
        "chord of a chain with a chord",
        "chord([add.s(1, 1) | chord([add.s(1), add.s(2)], tsum.s()), add.s(5, 5)])(ident.s())",
    ),
    case("chord of a group", "chord(group(add.s(1, 1), add.s(2, 2)))(tsum.s())"),
    case("chord of groups", "chord([group(add.s(1, 1), add.s(2, 2)), add.s(3, 3)])(ident.s())"),
    case("chord of a chain to a group", "chord([add.s(1, 1) | group(add.s(1), add.s(2)), add.s(5, 5)])(ident.s())"),
    case("chord knows its parts", "chord([info.s(1), info.s(2)])(ident.s())"),
    case("chord is stamped", "stamped(chord([info.s(1), info.s(2)], ident.s())).delay()"),
    case("chord across", "chord([add.s(1, 1), add.s(2, 2).set(queue=there), add.s(3, 3)])(tsum.s())"),
    case("chord across fails", "chord([add.s(1, 1), fail.s('boom').set(queue=there), add.s(3, 3)])(tsum.s())"),
    case("chord with its body across", "chord([add.s(1, 1), add.s(2, 2)])(tsum.s().set(queue=there))"),
    // Many at once.
    case("map", "tsum.map([[1, 2], [3, 4]]).delay()"),
    case("map fails", "fail.map(['one', 'two']).delay()"),
    case("map of none", "tsum.map([]).delay()"),
    case("starmap", "add.starmap([(1, 1), (2, 2)]).delay()"),
    case("starmap in a chain", "(add.starmap([(1, 1), (2, 2)]) | tsum.s()).delay()"),
    case("starmap in a chord", "chord([add.starmap([(1, 1), (2, 2)]), add.s(3, 3)])(ident.s())"),
    case("chunks", "add.chunks([(i, i) for i in range(5)], 2).delay()"),
    case("chunks as a group", "add.chunks([(i, i) for i in range(5)], 2).group().delay()"),
    case("chunks to a task", "(add.chunks([(i, i) for i in range(4)], 2).group() | ident.s()).delay()"),
    // Callbacks and errbacks.
    case("link", "add.apply_async((1, 2), link=note.s(case=case))"),
    case("link an immutable", "add.apply_async((1, 2), link=note.si('b', case=case))"),
    case(
        "link of several",
        "add.apply_async((1, 2), link=[note.s(case=case), note.si('b', case=case), linked(mul.s(10), note.s(case=case))])",
    ),
    case("link of a chain", "add.apply_async((1, 2), link=mul.s(10) | note.s(case=case))"),
    case("link of a group", "add.apply_async((1, 2), link=group(note.s(case=case), note.si('b', case=case)))"),
    case("link of a chord", "add.apply_async((1, 2), link=chord([add.s(1), add.s(2)], note.s(case=case)))"),
    case("link after retries", "flaky.apply_async((7, 2), link=note.s(case=case))"),
    case("link after a failure", "fail.apply_async(('boom',), link=note.s(case=case))"),
    case("link that fails", "add.apply_async((1, 2), link=fail.si('boom').on_error(err_old.s(case=case)))"),
    case("link across", "add.apply_async((1, 2), link=linked(mul.s(10).set(queue=there), note.s(case=case)))"),
    case("link after an ignored result", "ignored.apply_async((1,), {'case': case}, link=note.s(case=case))"),
    case("errback", "fail.apply_async(('boom',), link_error=err_old.s(case=case))"),
    case("errback that is bound", "fail.apply_async(('boom',), link_error=err_bound.s(case=case))"),
    case("errback that is immutable", "fail.apply_async(('boom',), link_error=note.si('failed', case=case))"),
    case("errback of the new kind", "fail.apply_async(('boom',), link_error=err_new.s(case=case))"),
    case("errbacks", "fail.apply_async(('boom',), link_error=[err_old.s(case=case), note.si('failed', case=case)])"),
    case("errback in vain", "add.apply_async((1, 2), link_error=err_old.s(case=case))"),
    case("errback after retries", "hopeless.apply_async(link_error=err_old.s(case=case))"),
    case("errback across", "fail.apply_async(('boom',), link_error=err_old.s(case=case).set(queue=there))"),
    // What a task makes of itself.
    case("replace", "replace_me.delay(1, 2)"),
    case("replace in a chain", "(add.s(1, 2) | replace_me.s(4) | mul.s(10)).delay()"),
    case("replace in a group", "group(replace_me.s(1, 2), add.s(2, 2)).delay()"),
    case("replace in a chord", "chord([replace_me.s(1, 2), add.s(2, 2)])(tsum.s())"),
    case("replace in a body", "chord([add.s(1, 1), add.s(2, 2)])(tsum.s() | replace_me.s(1))"),
    case("replace and link", "replace_me.apply_async((1, 2), link=note.s(case=case))"),
    case("replace with a chain", "replace_chain.delay(1, 2)"),
    case("replace with a chain in a chain", "(add.s(1, 2) | replace_chain.s(4) | add.s(1)).delay()"),
    case("replace with a chain in a chord", "chord([replace_chain.s(1, 2), add.s(2, 2)])(ident.s())"),
    case("replace with a group", "replace_group.delay(1)"),
    case("replace with a group in a chain", "(add.s(1, 2) | replace_group.s() | tsum.s()).delay()"),
    case("replace with a group in a chord", "chord([replace_group.s(1), add.s(2, 2)])(ident.s())"),
    case("extend a chord", "chord([extend_chord.s(1), add.s(2, 2)])(linked(tsum.s(), note.s(case=case)))"),
    // Revoked before it was sent.
    case("revoked task", "revoked(add.s(1, 1)).apply_async()"),
    case("revoked step of a chain", "(add.s(1, 2) | revoked(mul.s(2)) | note.s(case=case)).delay()"),
    case("revoked part of a chord", "chord([add.s(1, 1), revoked(add.s(2, 2))])(note.s(case=case))"),
];

/// What Rust workers do not run yet: words. Cases with such a word in their names are run by Python workers only. Take a word out
/// to have its cases run by Rust workers and by mixed fleets, too.
pub(crate) const NOT_YET_ON_RUST: &[&str] = &[
    "chain", "chains", "chord", "map", "starmap", "chunks", "link", "links", "linked", "errback", "errbacks",
    "replace", "extend", "revoked",
];

/// Single workflows that Rust workers do not run yet, or not as Python's do; each with the reason.
pub(crate) const DIFFERENT_ON_RUST: &[(&str, &str)] =
    &[("errback of the new kind", "only a Python worker can call a Python function in its own process")];

/// Workflows that Celery 5.3 itself gets wrong; they are run on the latest only.
pub(crate) const BROKEN_IN_5_3: &[(&str, &str)] = &[
    ("chord has an errback of all", "its client raises TypeError"),
    ("chord in a chain fails", "the error reaches nobody: \"task_id must not be empty\""),
    ("chain through a group fails", "likewise"),
    ("chord to a chain fails", "likewise"),
    ("chord to a group fails", "the group stays pending"),
    ("chord of a chain to a group", "the worker waits for ever for what it would have to run itself"),
    ("replace with a group in a chord", "the group's results come in any order"),
];
