"""The tasks of the interop tests. `tests/bin/interop_worker.rs` has the same ones in Rust, under the same names."""

import datetime
import decimal
import json
import os
import uuid

from celery import Celery, group

app = Celery("tasks", broker=os.environ["BROKER_URL"], backend=os.environ["RESULT_URL"])
app.conf.update(
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    task_default_queue=os.environ.get("DEFAULT_QUEUE", "celery"),
)


class AppError(Exception):
    """An error with two arguments, as applications have them."""


def redis():
    """The server that both languages write their journals to."""
    return app.backend.client


def journal(case, task, value):
    redis().rpush(f"journal:{case}", json.dumps([task, value]))


def wait_at(gate):
    """Waits until the test opens the gate."""
    if redis().blpop([f"gate:{gate}"], timeout=30) is None:
        raise TimeoutError(f"gate {gate} was not opened")


@app.task
def add(x, y):
    return x + y


@app.task
def mul(x, y):
    return x * y


@app.task
def tsum(numbers):
    return sum(numbers)


@app.task
def ident(x=None):
    return x


@app.task
def note(x, case):
    """Returns its argument; that it ran stands in the journal of the case."""
    journal(case, "note", x)
    return x


@app.task
def fail(message):
    raise ValueError(message)


@app.task
def fail_app(number, text):
    raise AppError(number, text)


# Retries wait a little: Celery sends the next attempt before it stores RETRY, which another worker's FAILURE would not survive.
@app.task(bind=True, max_retries=5)
def flaky(self, x, times):
    """Returns `x`, after so many retries."""
    if self.request.retries < times:
        raise self.retry(countdown=0.1, exc=ValueError("not yet"))
    return x


@app.task(bind=True, max_retries=2)
def hopeless(self, x=None):
    """Fails, after two retries."""
    raise self.retry(countdown=0.1, exc=ValueError("never"))


@app.task(bind=True)
def progress(self, gate):
    self.update_state(state="PROGRESS", meta={"done": 50, "of": 100})
    wait_at(gate)
    return "done"


@app.task(track_started=True)
def tracked(gate):
    wait_at(gate)
    return "done"


@app.task(ignore_result=True)
def ignored(x, case):
    journal(case, "ignored", x)
    return x


@app.task(bind=True)
def info(self, x=None):
    """What it knows of its own request."""
    request = self.request
    return {
        "x": x,
        "id": request.id,
        "root_id": request.root_id,
        "parent_id": request.parent_id,
        "group": request.group,
        "retries": request.retries,
        "tenant": (request.headers or {}).get("tenant") or (request.stamps or {}).get("tenant"),
        "at_home": request.delivery_info["routing_key"] == app.conf.task_default_queue,
    }


@app.task
def spawn(x):
    """Sends another task, and returns its id."""
    return add.delay(x, 1).id


@app.task(bind=True)
def replace_me(self, x, y):
    raise self.replace(add.s(x, y))


@app.task(bind=True)
def replace_chain(self, x, y):
    raise self.replace(add.s(x, y) | mul.s(10))


@app.task(bind=True)
def replace_group(self, x):
    raise self.replace(group(add.s(x, i) for i in range(3)))


@app.task(bind=True)
def extend_chord(self, x):
    self.add_to_chord(add.s(x, 100))
    return x


@app.task
def err_old(task_id, *, case):
    """An errback that is published as a task."""
    journal(case, "err_old", task_id)


@app.task(bind=True)
def err_bound(self, task_id, *, case):
    """A bound errback is always published, too."""
    journal(case, "err_bound", task_id)


@app.task
def err_new(request, exc, traceback, *, case):
    """An errback that a Python worker calls in its own process."""
    journal(case, "err_new", [request.id, str(exc)])


@app.task
def types():
    """A value of every kind that JSON has no form for."""
    return {
        "when": datetime.datetime(2024, 5, 17, 12, 30, 15, 123456, tzinfo=datetime.timezone.utc),
        "day": datetime.date(2024, 5, 17),
        "price": decimal.Decimal("1.50"),
        "uuid": uuid.UUID("12345678123456781234567812345678"),
        "nan": float("nan"),
        "infinity": float("-inf"),
        "big": 2**100,
        "bytes": b"\x00\xff",
        "text": "\u017elu\u0165 \U0001f375",
    }
