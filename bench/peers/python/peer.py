"""One of the peers in Python: `peer.py enqueue` or `peer.py worker`, which one is in $BENCH_ADAPTER."""

import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if sys.argv[1] == "worker" and os.environ["BENCH_ADAPTER"] in ("dramatiq", "huey", "rq"):
    # As their commands do when told so, or two of these. Before anything is imported that has a name of its own.
    os.fork()
adapter = importlib.import_module("with_" + os.environ["BENCH_ADAPTER"])
getattr(adapter, sys.argv[1])(int(os.environ.get("BENCH_CONCURRENCY", "1")))
