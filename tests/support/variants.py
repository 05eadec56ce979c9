"""Artefacts that carry variants of their graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.artefacts.manifest import describe_files

EIGHT_BITS = "eight.pb"  # its graph; of any kind that a runtime reads


def add_variants(folder: Path, eight_bits: bytes = b"fewer bits") -> None:
    """Give an artefact a variant in bfloat16, and one in int8 whose graph is the bytes given."""
    (folder / EIGHT_BITS).write_bytes(eight_bits)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    own = describe_files(folder, [EIGHT_BITS])
    manifest["variants"] = [
        {"name": "bf16", "compute": "bf16", "default_on": ["amx_bf16"]},
        {"name": "int8", "graph": EIGHT_BITS, "default_on": ["avx512_vnni", "avx_vnni"], **own},
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))
