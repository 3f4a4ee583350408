"""What the benchmark and a peer say to each other; bench/src/subject/contract.rs tells the whole of it."""

import os
import threading
import time

URL = os.environ["BENCH_URL"]
VARIANT = os.environ.get("BENCH_VARIANT", "")
NOTES = os.environ["BENCH_NOTES"]
RESULTS = os.environ.get("BENCH_RESULTS") == "1"
TEXT = "0123456789" * 10


def number(name):
    return int(os.environ.get(name, "0"))


def now_us():
    return time.time_ns() // 1000


class _Ran:
    """Counts bodies in this process; a thread writes the count down now and then, beside the work."""

    pid = 0
    count = first = last = 0


def _write():
    written = 0
    while True:
        count = _Ran.count
        if count != written:
            path = f"{NOTES}/{_Ran.pid}"
            with open(path + ".part", "w") as file:
                file.write(f"{count} {_Ran.first} {_Ran.last}")
            os.rename(path + ".part", path + ".ran")
            written = count
        time.sleep(0.01)


_lock = threading.Lock()


def _begin():
    # A forked child counts for itself.
    _Ran.pid, _Ran.count, _Ran.first = os.getpid(), 0, now_us()
    threading.Thread(target=_write, daemon=True).start()


def ran():
    with _lock:
        if _Ran.pid != os.getpid():
            _begin()
        _Ran.count += 1
        _Ran.last = now_us()


def _append(path, line):
    file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(file, line.encode())
    os.close(file)


# The bodies of the tasks; each peer makes tasks of them.


def noop(n):
    ran()


def blob(text):
    ran()


def stamp(at):
    late = now_us() - at
    _append(f"{NOTES}/late", f"{late}\n")


def ledger(n, file):
    time.sleep(0.005)
    _append(file, f"{n}\n")


def arguments(n):
    """What job `n` of the order is called with."""
    match os.environ["BENCH_TASK"]:
        case "noop":
            return (n,)
        case "blob":
            return (TEXT,)
        case "stamp":
            return (now_us() + number("BENCH_DELAY_MS") * 1000,)
        case _:
            return (n, os.environ["BENCH_FILE"])


class Order:
    task = os.environ.get("BENCH_TASK", "")
    count = number("BENCH_COUNT")
    single = os.environ.get("BENCH_SINGLE") == "1"
    gap = number("BENCH_GAP_MS") / 1000
    delay = number("BENCH_DELAY_MS") / 1000


def say(begun):
    print(f"enqueued {Order.count} {time.perf_counter() - begun}", flush=True)


def one_by_one(send):
    """Sends the order with `send(arguments)`, each job after the answer to the one before."""
    begun = time.perf_counter()
    for n in range(Order.count):
        send(arguments(n))
        if Order.task == "stamp" and Order.gap:
            time.sleep(Order.gap)
    say(begun)


def in_bulk(send_many, size):
    """Sends the order with `send_many(list of arguments)`, so many at a time."""
    begun = time.perf_counter()
    for start in range(0, Order.count, size):
        send_many([arguments(n) for n in range(start, min(start + size, Order.count))])
    say(begun)


def is_bulk():
    return not Order.single and Order.task != "stamp"
