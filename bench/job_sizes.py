"""Jobs of texts from 1,000 to 1,000,000: seconds a text of each, and what API and worker need of memory.

    python -m bench.job_sizes --sizes 1000 10000 100000 1000000

Each size has a `tagline up` of its own, with a job of 1,000 before, so that memory and time of one say nothing of the
next. Memory is the most that a process has ever had in RAM, as the kernel counts it (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bench.machine import machine, write_result
from bench.stack import full_stack
from bench.texts import make_texts, ndjson

WARM_UP = 1_000
ROLES = {"api": "granian", "worker": "celery_app worker", "scheduler": "scheduler.main"}  # in a command line


def most_memory(supervisor: int) -> dict[str, float]:
    """MiB by role, of all that a supervisor has started; the processes of a role together."""
    parents = {int(stat.parent.name): stat for stat in Path("/proc").glob("[0-9]*/status")}
    found = dict.fromkeys(ROLES, 0.0)
    for pid, status in parents.items():
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            command = (status.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:  # gone meanwhile
            continue
        if not _is_below(pid, supervisor):
            continue
        for role, sign in ROLES.items():
            if sign in command:
                found[role] += int(fields["VmHWM"].split()[0]) / 1024
    return {role: round(used, 1) for role, used in found.items()}


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1 and pid != ancestor:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == ancestor


def run(task: str, size: int) -> dict[str, float]:
    """Seconds a text from the submission to the last result, microseconds; and memory, MiB."""
    texts = make_texts(size)
    body = ndjson(texts)
    del texts
    with tempfile.TemporaryDirectory(prefix="tagline-bench-") as data, full_stack(Path(data)) as stack:
        stack.run_body(task, ndjson(make_texts(WARM_UP)), "application/x-ndjson", WARM_UP)
        submitted, took = stack.run_body(task, body, "application/x-ndjson", size)
        memory = most_memory(stack.pid)
    found = {"us_a_text": round(took / size * 1e6, 1), "us_submitting": round(submitted / size * 1e6, 1)}
    return found | {f"{role}_mib": used for role, used in memory.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--task", default="spam")
    given = parser.parse_args()
    described, found = machine(), {}
    for size in given.sizes:
        found[str(size)] = run(given.task, size)
        print(size, json.dumps(found[str(size)]), flush=True)
    write_result("job_sizes", {"sizes": found}, described, task=given.task)


if __name__ == "__main__":
    main()
