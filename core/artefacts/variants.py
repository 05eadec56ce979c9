"""Which variant of an artefact runs: in how many bits its network is computed on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.artefacts.manifest import Manifest, Variant

F32 = "f32"
AUTO = "auto"
# Features of processors, as Linux calls them, of which one is needed to compute in bfloat16 at all.
BFLOAT16 = frozenset({"amx_bf16", "avx512_bf16"})
# And of which one is needed to sum products of eight bits without overflow, as those were that a card's numbers are of.
EIGHT_BITS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


@dataclass(frozen=True, slots=True)
class ChosenVariant:
    """What is loaded.

    Attributes:
        name: "f32", or the variant's; results carry it.
        graph: the file.
        compute: what floating-point numbers are computed in.
        streams: batches in flight at a time; 0: the runtime's own number.
    """

    name: str
    graph: str
    compute: str = F32
    streams: int = 0


def choose_variant(manifest: Manifest, wanted: str, features: frozenset[str]) -> ChosenVariant:
    """The variant that runs on a processor.

    Args:
        manifest: of the artefact.
        wanted: "f32", the name of a variant, or "auto": the first one that is the default on such a processor. An
            artefact that has it not, or a processor that cannot, gets "f32".
        features: of the processor.
    """
    for variant in usable_variants(manifest, features):
        if variant.name == wanted or (wanted == AUTO and not features.isdisjoint(variant.default_on)):
            return ChosenVariant(variant.name, variant.graph or manifest.graph, variant.compute)
    return plain_variant(manifest)


def usable_variants(manifest: Manifest, features: Iterable[str]) -> list[Variant]:
    """The variants that a processor can compute."""
    can_bfloat16 = not BFLOAT16.isdisjoint(features)
    return [variant for variant in manifest.variants if variant.compute == F32 or can_bfloat16]


def keeps_its_numbers(variant: Variant, features: Iterable[str]) -> bool:
    """Whether a variant says on a processor what its own metrics are of; pinned, it runs all the same."""
    return variant.name != "int8" or not EIGHT_BITS.isdisjoint(features)


def plain_variant(manifest: Manifest) -> ChosenVariant:
    """The artefact's own graph in single precision: what every machine and every runtime can run."""
    return ChosenVariant(F32, manifest.graph)


def joint_name(names: Iterable[str]) -> str:
    """How results name the variants of the graphs that they come from: those that are not "f32", "+" between."""
    return "+".join(dict.fromkeys(name for name in names if name != F32)) or F32
