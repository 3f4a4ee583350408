"""Celery, prefork or threads, acknowledging early or late."""

import contract
from celery import Celery
from contract import RESULTS, URL, VARIANT, Order

LATE = VARIANT.endswith("-late")

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_default_queue="bench",
    task_acks_late=LATE,
    task_reject_on_worker_lost=LATE,
    task_ignore_result=not RESULTS,
    worker_prefetch_multiplier=100,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    # As short as it may be, so that what a killed worker held comes back while we watch.
    broker_transport_options={"visibility_timeout": 10, "unacked_restore_interval": 1},
    broker_connection_retry_on_startup=True,
    result_expires=86400,
)

TASKS = {body.__name__: app.task(name=body.__name__)(body) for body in (contract.noop, contract.blob, contract.stamp, contract.ledger)}


def worker(concurrency):
    pool = VARIANT.split("-")[0]
    app.worker_main(
        ["worker", "-P", pool, "-c", str(concurrency), "-Q", "bench", "-l", "ERROR"]
        + ["--without-gossip", "--without-mingle", "--without-heartbeat", "-O", "fair" if LATE else "default"]
    )


def enqueue(_):
    task = TASKS[Order.task]
    with app.producer_or_acquire() as producer:
        # It has no call for many.
        contract.one_by_one(lambda args: task.apply_async(args, producer=producer, countdown=Order.delay or None))
