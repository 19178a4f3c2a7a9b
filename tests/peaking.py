"""A process that runs one sync, `peaking.py CONFIG SYNC`, and prints its report and how far memory went over the idle process."""

import json
import logging
import sys
from pathlib import Path

import structlog
from spending import resident_mb

from drawbar.app import open_app
from drawbar.core.access import Caller

if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with open_app(Path(sys.argv[1])) as app:
        idle = resident_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        report = app.syncs.run(sys.argv[2], json.loads(sys.argv[3]), caller=Caller.cli("test")).as_json()
        print(json.dumps({"report": report, "over_mb": resident_mb("VmHWM") - idle}, default=str))
