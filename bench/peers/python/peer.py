"""One of the peers in Python: `peer.py enqueue` or `peer.py worker`, which one is in $BENCH_ADAPTER."""

import importlib
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if sys.argv[1] == "worker" and os.environ["BENCH_ADAPTER"] in ("dramatiq", "huey", "rq"):
    # As their commands do when told so, or two of these. Before anything is imported that has a name of its own.
    child = os.fork()
    if child:

        def stand_together():
            os.waitpid(child, 0)
            os._exit(1)

        # With one of two processes it would be another figure.
        threading.Thread(target=stand_together, daemon=True).start()
adapter = importlib.import_module("with_" + os.environ["BENCH_ADAPTER"])
getattr(adapter, sys.argv[1])(int(os.environ.get("BENCH_CONCURRENCY", "1")))
