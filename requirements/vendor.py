"""What browsers get from us that others wrote: fetched from npm by version and hash, kept in `api/pages/static/vendor`.

    python requirements/vendor.py

It fetches the packages of vendored.json, checks each against its hash there, and writes their files again. To
take another version, write it and its hash (`npm view NAME@VERSION dist.integrity`) there and run this.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LOCK = HERE / "vendored.json"
FOLDER = HERE.parent / "api" / "pages" / "static" / "vendor"


def main() -> None:
    lock: dict[str, Any] = json.loads(LOCK.read_text())
    for name, package in lock.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["npm", "pack", "--silent", f"{name}@{package['version']}"],
                cwd=folder, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            (archive,) = Path(folder).iterdir()
            check(archive, package["integrity"])
            package["files"] = {target: take(archive, source, target) for source, target in package["take"].items()}
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")


def check(archive: Path, integrity: str) -> None:
    """Refuse an archive whose SHA-512 is not that of the lock (W3C Subresource Integrity)."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        raise SystemExit(f"{archive.name}: {found} instead of {integrity}")


def take(archive: Path, source: str, target: str) -> str:
    """Write a file of the archive; its SHA-256 in hex."""
    with tarfile.open(archive) as package:
        file = package.extractfile(f"package/{source}")
        assert file is not None
        data = file.read()
    (FOLDER / target).parent.mkdir(parents=True, exist_ok=True)
    (FOLDER / target).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
