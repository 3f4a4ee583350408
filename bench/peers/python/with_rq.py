"""RQ, with the worker that does not fork for each job."""

from datetime import timedelta

import contract
from contract import URL, Order
from redis import Redis
from rq import Queue, SimpleWorker

connection = Redis.from_url(URL)
queue = Queue("bench", connection=connection)


def worker(_):
    SimpleWorker([queue], connection=connection, log_job_description=False).work(logging_level="ERROR", with_scheduler=True)


def enqueue(_):
    # By name: jobs of the program that runs would be of `__main__`.
    body = f"contract.{Order.task}"
    if contract.is_bulk():

        def send_many(many):
            queue.enqueue_many([Queue.prepare_data(body, args) for args in many])

        return contract.in_bulk(send_many, 500)
    if Order.delay:
        return contract.one_by_one(lambda args: queue.enqueue_in(timedelta(seconds=Order.delay), body, *args))
    return contract.one_by_one(lambda args: queue.enqueue(body, *args))
