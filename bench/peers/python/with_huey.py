"""huey: threads in two processes, waiting in Redis."""

import contract
from contract import RESULTS, URL, Order
from huey import RedisHuey

huey = RedisHuey("bench", url=URL, results=RESULTS, store_none=RESULTS, blocking=True)

TASKS = {body.__name__: huey.task(name=body.__name__)(body) for body in (contract.noop, contract.blob, contract.stamp, contract.ledger)}


def worker(concurrency):
    import logging

    logging.getLogger("huey").setLevel(logging.ERROR)
    huey.create_consumer(workers=concurrency, worker_type="thread", periodic=False).run()


def enqueue(_):
    task = TASKS[Order.task]
    if Order.delay:
        return contract.one_by_one(lambda args: task.schedule(args=args, delay=Order.delay))
    return contract.one_by_one(lambda args: task(*args))
