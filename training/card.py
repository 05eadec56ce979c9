"""Write model cards again after their texts in training/*/cards have changed; no number changes by it.

python -m training.card models/NAME ...
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from core.artefacts.manifest import MANIFEST, load_manifest
from training.common.model_card import CARD, write_card
from training.common.package import write_manifest


def rewrite(folder: Path) -> None:
    """Write the card of an artefact again, from its text and the numbers in the manifest, which gets the new hash."""
    manifest = load_manifest(folder)
    write_card(folder, manifest.name, manifest.metrics, manifest.variants)
    fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    files = sorted({*fields.pop("files"), CARD})
    write_manifest(folder, {name: value for name, value in fields.items() if name != "bytes"}, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="artefacts")
    for folder in parser.parse_args().folders:
        rewrite(folder)
        print(f"{folder / CARD}: written")


if __name__ == "__main__":
    main()
