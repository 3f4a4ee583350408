"""taskiq on Redis lists: async tasks in two processes."""

import asyncio
import sys
import time

import contract
from contract import RESULTS, URL, Order
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

# redis-py gives up a read after a while; its wait for work would end with an error.
broker = ListQueueBroker(url=URL, queue_name="bench", socket_timeout=None)
if RESULTS:
    broker = broker.with_result_backend(RedisAsyncResultBackend(redis_url=URL, result_ex_time=86400))


@broker.task(task_name="noop")
async def noop(n: int) -> None:
    contract.ran()


@broker.task(task_name="blob")
async def blob(text: str) -> None:
    contract.ran()


@broker.task(task_name="stamp")
async def stamp(at: int) -> None:
    contract.stamp(at)


@broker.task(task_name="ledger")
async def ledger(n: int, file: str) -> None:
    await asyncio.sleep(0.005)
    contract._append(file, f"{n}\n")


TASKS = {"noop": noop, "blob": blob, "stamp": stamp, "ledger": ledger}


def worker(concurrency):
    from taskiq.cli.worker.args import WorkerArgs
    from taskiq.cli.worker.cmd import WorkerCMD

    sys.exit(
        WorkerCMD().exec(
            ["with_taskiq:broker", "--workers", "2", "--max-async-tasks", str(concurrency), "--log-level", "ERROR", "--app-dir", sys.path[0]]
        )
    )


async def send():
    await broker.startup()
    begun = time.perf_counter()
    task = TASKS[Order.task]
    if Order.delay:
        raise SystemExit("it has no due times without a scheduler of its own")
    if not contract.is_bulk():
        for n in range(Order.count):
            await task.kiq(*contract.arguments(n))
            if Order.task == "stamp" and Order.gap:
                await asyncio.sleep(Order.gap)
    else:
        for start in range(0, Order.count, 100):
            await asyncio.gather(*(task.kiq(*contract.arguments(n)) for n in range(start, min(start + 100, Order.count))))
    contract.say(begun)
    await broker.shutdown()


def enqueue(_):
    asyncio.run(send())
