"""dramatiq: threads in two processes."""

import threading

import contract
import dramatiq
from contract import RESULTS, URL, Order
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=URL, heartbeat_timeout=5000, maintenance_chance=20000)
# What it measures of itself costs time.
broker.middleware[:] = [part for part in broker.middleware if type(part).__name__ != "Prometheus"]
if RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
dramatiq.set_broker(broker)

TASKS = {
    body.__name__: dramatiq.actor(body, queue_name="bench", actor_name=body.__name__, max_retries=0)
    for body in (contract.noop, contract.blob, contract.stamp, contract.ledger)
}


def worker(concurrency):
    # As the command `dramatiq -p 2 -t N` does in each process.
    work = dramatiq.Worker(broker, queues={"bench"}, worker_threads=concurrency, worker_timeout=1000)
    work.start()
    import signal

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    work.stop()


def enqueue(_):
    task = TASKS[Order.task]
    delay = int(Order.delay * 1000) or None
    contract.one_by_one(lambda args: task.send_with_options(args=args, delay=delay))
