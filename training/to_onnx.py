"""Export artefacts' graphs for ONNX Runtime, and ask each whether it says what its graph says.

    python -m training.to_onnx models/efficientnet-lite2 models/caption-transformer models/tag-open [--f16]

Each export lies beside its graph, in `graph-onnx-f32/`; with `--f16` there is one in half precision, too, in
`graph-onnx-f16/`. Each is asked on this machine's processor about the photos of `samples/` or a few texts. One that
gives another label or sentence, or a score further from its graph's, than `training/onnx_answers.py` allows, is removed
again.

It needs requirements/training.txt and no card: export on any machine, then copy the folders. Ten seconds an artefact
on two cores. What half precision costs on test sets is another question, and so is what it costs those who read an
encoder: docs/decisions/0168-graphs-on-cards.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.artefacts.manifest import Manifest, load_manifest
from core.artefacts.onnx_export import F16_CUDA, Precision
from core.errors import ArtefactError
from training.common.offline_variants import ONNX_F32, PLAIN
from training.common.onnx.onnx_write import remove_export, write_export
from training.onnx_answers import answers, differences, farthest

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
NAMES: dict[Precision, str] = {"f32": ONNX_F32, "f16": F16_CUDA}


def export(folder: Path, precision: Precision, photos: Sequence[Path]) -> list[str]:
    """Export an artefact's graph, and remove it again if it does not say what the graph says.

    Args:
        folder: the artefact.
        precision: "f32" or "f16".
        photos: to ask it about.

    Returns:
        What it says otherwise; nothing if it stays.

    Raises:
        ValueError: its graph has an operation that ONNX has not.
    """
    manifest = load_manifest(folder)
    graph = folder / manifest.graph
    write_export(graph, list(manifest.outputs), precision)
    try:
        before = answers(folder, photos, PLAIN)
        now = answers(folder, photos, {manifest.id: NAMES[precision]})
    except Exception:  # an export that nobody has asked must not stay
        remove_export(graph, precision)
        raise
    found = differences(before, now, precision)
    if found:
        remove_export(graph, precision)
    else:
        same = sum(old == new for old, new in zip(before.said, now.said, strict=True))
        alike = f"{same} of {len(now.said)} answers alike, scores at most {farthest(before, now):.1e} apart"
        print(f"{manifest.id} {precision}: {alike}", flush=True)
    return found


def needless(manifest: Manifest, precision: Precision) -> str | None:
    """Why an artefact is not exported in a precision; None if it is."""
    if not manifest.graph.endswith(".pb"):
        return f"TAGLINE_RUNTIME=onnx runs its {manifest.graph} as it is"
    if precision == "f16" and manifest.medium != "image":
        return "models of texts look up and add, which half precision does not speed up"
    return None


def export_all(folders: Sequence[Path], precisions: Sequence[Precision], photos: Sequence[Path]) -> int:
    """Export artefacts, and say what became of each; 1 if one of them is not exported that should be."""
    failed = False
    for folder in folders:
        for precision in precisions:
            if why := needless(load_manifest(folder), precision):
                print(f"{folder.name} {precision} is not needed: {why}", flush=True)
                continue
            found = export(folder, precision, photos)
            for what in found:
                print(f"{folder.name} {precision} is not exported: {what}", file=sys.stderr)
            failed = failed or bool(found)
    return int(failed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="artefacts")
    parser.add_argument("--f16", action="store_true", help="export them in half precision, too")
    parser.add_argument("--photos", type=Path, default=SAMPLES, help="a folder of JPEGs to ask about")
    given = parser.parse_args()
    photos = sorted(given.photos.glob("*.jpg"))
    try:  # before anything is written over
        manifests = [load_manifest(folder) for folder in given.folders]
    except ArtefactError as error:
        parser.error(f"{error.code}: {' '.join(str(error).split())}")
    if not photos and any(manifest.medium == "image" for manifest in manifests):
        parser.error(f"there is no JPEG in {given.photos} to ask about")
    return export_all(given.folders, ["f32", "f16"] if given.f16 else ["f32"], photos)


if __name__ == "__main__":
    sys.exit(main())
