"""Every figure, one bench after the other, in some 25 minutes; or as large as the goals were set, in hours.

    python -m bench.every [--full] [one_photo texts ...]

Nothing else should run on the machine meanwhile. A bench that fails, for want of a database or of Keras for instance,
is named at the end, and the others go on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence

FEW: Mapping[str, Sequence[str]] = {
    "one_photo": ("--beside", "20000"),
    "measure": ("--count", "500", "--rounds", "2"),
    "texts": ("--rounds", "1"),
    "job_sizes": (),
    "submit_lines": ("--lines", "300000", "--rounds", "2"),
    "export_results": ("--results", "200000", "--rounds", "2"),
    "store_chunks": ("--chunks", "100"),
    "eta": (),
}
FULL: Mapping[str, Sequence[str]] = {**dict.fromkeys(FEW, ()), "measure": ("--count", "5000")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benches", nargs="*", help=f"those wanted of {', '.join(FEW)}; all unless given")
    parser.add_argument("--full", action="store_true")
    given = parser.parse_args()
    sizes = FULL if given.full else FEW
    unknown = set(given.benches) - sizes.keys()
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    failed = []
    for bench in given.benches or sizes:
        print(f"== {bench} {' '.join(sizes[bench])}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{bench}", *sizes[bench]], check=False).returncode:
            failed.append(bench)
    if failed:
        raise SystemExit(f"these came to no end: {', '.join(failed)}")


if __name__ == "__main__":
    main()
