"""Our side of `sync.py`: a service that is open already and runs a sync for each line that it is given."""

import json
import logging
import sys
from pathlib import Path

import structlog

from drawbar.app import open_app
from drawbar.core.access import Caller


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with open_app(Path(sys.argv[1])) as app:
        caller = Caller.cli("benchmark")
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            idle = memory("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            name, options = json.loads(line)
            run = app.syncs.run(name, options, caller=caller).as_json()
            said = {name: run[name] for name in ("status", "read", "written", "rejected", "seconds", "error")}
            print(json.dumps({**said, "idle_mb": idle, "peak_mb": memory("VmHWM")}), flush=True)


def memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
