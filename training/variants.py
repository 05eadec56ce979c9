"""Make the variants of an artefact, measure each with what it stands on, and write manifest and card again.

    python -m training.variants models/efficientnet-lite2 --data DATA [--quantize] [--only int8]
    python -m training.variants models/caption-transformer --data DATA

The artefact itself, and so its version, stays as it is. What is measured of an encoder: its first labels, and all
numbers of the captioners and taggers beside it that read it; of a captioner: its numbers, with its encoder in the same
variant where that has it, since one processor runs both. A variant that costs one of them more than half a point is
named and left out. bfloat16 has to be measured on a processor that computes in it. `--quantize` writes the graph in
eight bits anew; it needs NNCF, and takes two minutes on two cores. The rest: five minutes. `--only` measures one
variant; the others keep the numbers that the manifest has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import MANIFEST, Manifest, Metric, Variant, describe_files, load_manifest
from core.images.decode import ImageSpec, decode_image
from training.captioner.caption_measure import measure_captions
from training.common.datasets.photo_sets import photo_sets
from training.common.find_artefact import encoder_folder
from training.common.model_card import CARD, write_card
from training.common.offline_variants import Variants
from training.common.package import write_manifest
from training.common.photos.offline_encoder import MAX_PIXELS
from training.common.quantize import quantize
from training.encoder.first_labels import IMAGENET, measure_first_labels
from training.tagger.tag_measure import measure_tagger

GRAPH = "graph-int8.xml"
CALIBRATION = 300  # photos
MOST_LOST = 0.005
MEASURED_BY = {"caption": measure_captions, "tag": measure_tagger}
# In the order in which a processor that is named by several gets them.
VARIANTS: dict[str, dict[str, Any]] = {
    "bf16": {"compute": "bf16", "default_on": ["amx_bf16"]},
    "int8": {"graph": GRAPH, "default_on": ["avx512_vnni", "avx_vnni"]},
}


def write_int8(folder: Path, manifest: Manifest, data: Path) -> None:
    """Write the encoder's graph in eight bits, calibrated on training photos drawn by chance, on none of ImageNet."""
    paths = [
        each.images / photo.name
        for each in photo_sets(data)
        for photo in each.photos
        if photo.split == "train" and not photo.source.startswith(IMAGENET)
    ]
    chosen = np.random.default_rng(0).permutation(len(paths))[:CALIBRATION]
    spec = manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    photos = [decode_image(paths[at].read_bytes(), spec, MAX_PIXELS).pixels for at in chosen]
    quantize(folder / manifest.graph, folder / GRAPH, photos)


def declare(folder: Path, measured: Mapping[str, Sequence[Metric]]) -> Manifest:
    """Write manifest and card with these variants, by name, and their numbers."""
    manifest, variants = load_manifest(folder, verify=False), []
    for name in (name for name in VARIANTS if name in measured):
        metrics = [metric.model_dump() for metric in measured[name]]
        fields = {"name": name, **VARIANTS[name], "metrics": metrics}
        if graph := fields.get("graph"):
            fields |= describe_files(folder, [graph, Path(graph).with_suffix(".bin").name])
        variants.append(Variant.model_validate(fields))
    write_card(folder, manifest.name, manifest.metrics, variants)
    fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    fields["variants"] = [variant.model_dump(exclude_none=True, exclude_defaults=True) for variant in variants]
    files = sorted({*fields.pop("files"), CARD})
    del fields["bytes"]
    return write_manifest(folder, fields, files)


def measure(folder: Path, manifest: Manifest, data: Path, name: str) -> Iterator[tuple[Metric, Metric | None]]:
    """The numbers of a variant, each with the same of single precision where that has it in a manifest."""
    variants: Variants = {manifest.id: name}
    if manifest.encoders:
        encoder = load_manifest(encoder_folder(folder, manifest), verify=False)
        if any(variant.name == name for variant in encoder.variants):
            variants = {**variants, encoder.id: name}
        before = {metric.name: metric for metric in manifest.metrics}
        for metric in MEASURED_BY[manifest.task](folder, data, variants):
            yield metric, before.get(metric.name)
        return
    for metric in measure_first_labels(folder, manifest, data, variants):
        yield metric, None
    for entry in Catalogue(folder.parent).entries():
        reader = entry.manifest
        if reader is None or reader.encoders.get("image") != manifest.id or reader.task not in MEASURED_BY:
            continue
        before = {metric.name: metric for metric in reader.metrics}
        for metric in MEASURED_BY[reader.task](entry.folder, data, variants):
            own = metric.model_copy(update={"source": f"{metric.source}; with {reader.id}"})
            yield own, before.get(metric.name)


def costs(pairs: Sequence[tuple[Metric, Metric | None]]) -> list[str]:
    """What a variant costs too much of."""
    return [
        f"{now.name} {before.value} -> {now.value}"
        for now, before in pairs
        if before is not None and not now.name.endswith("error") and before.value - now.value > MOST_LOST
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the artefact")
    parser.add_argument("--data", type=Path, required=True, help="the data folder, see training/README.md")
    parser.add_argument("--quantize", action="store_true", help="write an encoder's graph in eight bits anew")
    parser.add_argument("--only", choices=VARIANTS, action="append", help="measure this one, again for several")
    arguments = parser.parse_args()
    folder = arguments.folder
    manifest = load_manifest(folder, verify=False)
    if arguments.quantize:
        write_int8(folder, manifest, arguments.data)
    names = [name for name, what in VARIANTS.items() if not (manifest.encoders and "graph" in what)]
    measured = [name for name in names if not arguments.only or name in arguments.only]
    kept: dict[str, Sequence[Metric]] = {
        variant.name: variant.metrics for variant in manifest.variants if variant.name not in measured
    }
    manifest = declare(folder, {**kept, **dict.fromkeys(measured, ())})
    for name in measured:
        pairs = list(measure(folder, manifest, arguments.data, name))
        for now, before in pairs:
            print(f"{name} {now.name} {now.value}" + (f" (f32: {before.value})" if before else ""), flush=True)
        lost = costs(pairs)
        if lost:
            print(f"{name} is left out, it costs too much: {'; '.join(lost)}", file=sys.stderr)
        else:
            kept[name] = [now for now, _ in pairs]
    declare(folder, kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
