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

import tasks

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

#: What was started: name -> result of `apply_async`.
started = {}


def start(name, queue, text):
    """Evaluates `text`, which calls something. All its tasks without a queue of their own go to `queue`."""
    tasks.app.conf.task_default_queue = queue
    started[name] = eval(text, {**names, "case": name})


def wait(name, timeout):
    """Waits until it is done, as a caller would."""
    result = started[name]
    if isinstance(result, (AsyncResult, GroupResult)):
        result.get(timeout=timeout, propagate=False)


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
    seen = {}
    return json.loads(UUID.sub(lambda found: f"#{seen.setdefault(found[0], len(seen))}", dumps(value)))


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


names = {**vars(tasks), **globals()}

if __name__ == "__main__":
    for line in sys.stdin:
        print(answer(json.loads(line)), flush=True)
