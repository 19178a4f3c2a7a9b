"""A process that makes large outputs: `STATE` until it is killed, `STATE N` one run of N outputs and what memory it took."""

import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

from scripted import House

MB = 1_000_000
FLOW = {
    "large": {"tasks": {"a": {"tool": "sys.make"}, "b": {"tool": "sys.make", "needs": ["a"]}}},
    "many": {
        "tasks": {
            "each": {
                "tool": "sys.one",
                "for_each": {"in": "${{ input.numbers }}", "as": "n", "concurrency": 4},
                "with": {"n": "${{ n }}"},
            },
            "end": {"tool": "sys.one", "needs": ["each"], "with": {"n": "${{ tasks.each.status }}"}},
        }
    },
}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


made = iter(range(10**9))
functions = {
    "make": ("read", lambda _: {"text": f"{next(made):08}" * (3 * MB // 8)}),
    "one": ("read", lambda given: {"text": str(given["n"])[:1] * MB, "n": given["n"]}),
}
with TemporaryDirectory() as folder:
    House.state = sys.argv[1]
    with House(Path(folder), functions, FLOW) as house:
        if len(sys.argv) == 2:
            house.run("large")
            print("begun", flush=True)
            while True:
                house.run("large")
        house.run("many", {"numbers": [1, 2, 3, 4]})
        before = peak_mb()
        run = house.run("many", {"numbers": list(range(int(sys.argv[2])))}, timeout_s=100)
        print(run.state, round(peak_mb() - before, 1))
