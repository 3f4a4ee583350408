"""A Celery client that the tests drive: one JSON object per line in, one out.

`{"run": TEXT}` runs Python text in which the tasks and Celery's primitives are known; what its last line evaluates to is the
answer, `{"value": …}`, or `{"exception": {…}}`. Names given in one text are known in the next.
"""

import ast
import datetime
import json
import os
import re
import sys
import time
import traceback

import celery
from celery import chain, chord, chunks, group, signature, xmap, xstarmap
from celery.canvas import StampingVisitor
from celery.result import AsyncResult, GroupResult
from kombu.utils.json import dumps
from kombu.utils.uuid import uuid

import tasks

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

#: What was started: name -> result of `apply_async`.
started = {}
#: The workers of each queue; set by the tests.
nodes = {}


def start(name, queue, there, text):
    """Evaluates `text`, which calls something. All its tasks without a queue of their own go to `queue`."""
    tasks.app.conf.task_default_queue = queue

    def revoked(task):
        """The signature with an id which the workers of the queue know to be revoked."""
        task_id = uuid()
        workers = [f"{node}@test" for node in nodes[queue]]
        tasks.app.control.revoke(task_id, destination=workers, reply=True, timeout=5)
        return task.set(task_id=task_id)

    try:
        started[name] = eval(text, {**names, "case": name, "there": there, "revoked": revoked})
    except Exception as error:
        started[name] = {"raised": describe_error(error)}


def linked(task, callback):
    """The signature with a callback."""
    task.link(callback)
    return task


def stamped(task):
    """The signature with a stamp on all its tasks."""
    task.stamp(tenant="acme")
    return task


class Stored:
    """A result whose metas are looked at as they are stored: its own, its parents', its children's."""

    def __init__(self, result):
        self.result = result

    def metas(self):
        left, metas = [], {}
        result = self.result
        while result is not None:
            members = result.children if isinstance(result, GroupResult) else [result]
            left += [member.id for member in members]
            result = result.parent
        while left:
            task_id = left.pop(0)
            stored = tasks.redis().get(f"celery-task-meta-{task_id}")
            if task_id in metas or stored is None:
                continue
            meta = metas[task_id] = json.loads(stored)
            left += [child[0][0] for child in meta["children"] or []]
            # When it was and in which source is of no interest; that a retried task is its own parent is an oddity of Celery.
            meta["date_done"] = type(meta["date_done"]).__name__
            del meta["traceback"]
            if meta.get("parent_id") == task_id:
                del meta["parent_id"]
        return list(metas.values())


def drain(queue):
    """Waits until a queue's only worker, which runs one task at a time, has nothing to do any more."""
    redis = tasks.redis()
    while True:
        tasks.add.apply_async((0, 0), queue=queue, priority=9).get(timeout=30)
        # All that was enqueued before has run; so what it enqueued itself would be here.
        if not redis.hlen("unacked") and not any(redis.llen(queue + step) for step in ("", "\x06\x163", "\x06\x166", "\x06\x169")):
            return


def outcome(name):
    """What has become of it and of all that went before it, and what its tasks noted. Ids are replaced by numbers."""
    noted = sorted(journal(name), key=lambda note: UUID.sub("", json.dumps(note)))
    return number_ids({"result": describe(started[name]), "noted": noted})


def until(condition, timeout=20):
    """Waits until the condition holds and returns its value; or what it was last."""
    end = time.monotonic() + timeout
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.005)
    return value


def journal(case):
    """What tasks have noted, in their order."""
    return [json.loads(line) for line in tasks.redis().lrange(f"journal:{case}", 0, -1)]


def describe(result):
    if isinstance(result, GroupResult):
        described = {"group": [describe(child) for child in result.children]}
    elif isinstance(result, AsyncResult):
        meta = tasks.app.backend.get_task_meta(result.id, cache=False)
        described = {"id": result.id, "state": meta["status"]}
        if isinstance(meta["result"], BaseException):
            described["error"] = describe_error(meta["result"])
        else:
            described["value"] = meta["result"]
    elif isinstance(result, Stored):
        return {"metas": result.metas()}
    elif isinstance(result, (list, tuple)):
        return [describe(each) for each in result]
    else:
        return result
    if result.parent is not None:
        described["after"] = describe(result.parent)
    return described


def describe_error(error):
    return {"type": type(error).__name__, "module": type(error).__module__, "args": list(error.args)}


def number_ids(value):
    # The keys of an object have no order: which id comes first must not depend on it.
    value = json.loads(dumps(value))
    seen = {}
    return json.loads(UUID.sub(lambda found: f"#{seen.setdefault(found[0], len(seen))}", json.dumps(value, sort_keys=True)))


def run(text):
    """Runs statements; the value of the last one, if it is an expression."""
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<test>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<test>", "eval"), names) if last else None


def answer(request):
    try:
        value = run(request["run"])
        try:
            return dumps({"value": value})
        except TypeError:
            return dumps({"value": repr(value)})
    except Exception as error:
        described = describe_error(error)
        described["args"] = [arg if isinstance(arg, (str, int, float, list)) else repr(arg) for arg in error.args]
        return dumps({"exception": {**described, "traceback": traceback.format_exc()}})


# Tasks first: `journal` here is for reading.
names = globals()
names.update({name: value for name, value in vars(tasks).items() if name not in names})

if __name__ == "__main__":
    for line in sys.stdin:
        print(answer(json.loads(line)), flush=True)
