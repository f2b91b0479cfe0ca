"""Lower bounds measured without this project's code: matrix products, a bare ResNet-34, raw files."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import resnet34

from benchmarks.place import Workplace, project_environment
from benchmarks.timing import Best, Part, timed

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PRODUCTS = 4  # matrix products, one after another


def floors(place: Workplace) -> Part:
    """GEMM and the bare network in both precisions, start-up of Python with torch, the bare decoder in one thread."""
    part = Part()
    for precision, dtype in DTYPES.items():
        side = place.sizes.product
        left, right = (torch.randn(side, side, device=place.device).to(dtype) for _ in range(2))
        part.runs[f"products {precision}"] = timed(lambda a=left, b=right: [a @ b for _ in range(PRODUCTS)])  # type: ignore[misc]
        network, images = bare_network(place.backbone, place.device, dtype), bare_images(place, pass_of(place))
        part.runs[f"network {precision}"] = timed(_forward(network, images.to(dtype)))
    words = [sys.executable, "-c", "import torch, torchvision, av"]
    environment = project_environment()
    part.runs["start of Python"] = timed(lambda: subprocess.run(words, env=environment, check=True))
    part.runs["bare decoder, one thread"] = timed(lambda: [decode_only(video) for video in place.videos])
    return part


def pass_of(place: Workplace) -> int:
    """The number of frames per pass of the bare network: all views of a clip, as in `extract`."""
    return place.decode.frames * place.extract.views


def network_seconds(place: Workplace, frames: int) -> Callable[[Best], float]:
    """The seconds that the bare network needs for so many frames, in the precision that the stages choose."""
    return lambda best: best[f"network {place.precision}"] * frames / pass_of(place)


def product_seconds(place: Workplace, flop: float) -> Callable[[Best], float]:
    """The seconds for so many FLOP as products of large float32 matrices."""
    each = flop / (PRODUCTS * 2 * place.sizes.product**3)
    return lambda best: best["products float32"] * each


def named_floors(place: Workplace, best: Best) -> dict[str, float]:
    """The floors that rows are computed from; their names include the units."""
    found = {}
    for precision in DTYPES:
        flop = PRODUCTS * 2 * place.sizes.product**3
        found[f"GEMM {precision}, GFLOP/s"] = flop / best[f"products {precision}"] / 1e9
        found[f"bare network {precision}, frames/s"] = pass_of(place) / best[f"network {precision}"]
    frames = len(place.videos) * place.sizes.length
    found["bare decoder, one thread, frames/s"] = frames / best["bare decoder, one thread"]
    found["start of Python with torch and av, s"] = best["start of Python"]
    return found


def bare_network(weights: Path, device: torch.device, dtype: torch.dtype) -> nn.ModuleDict:
    """torchvision's ResNet-34 without its classifier, batch-norm folded, channels last: `trunk` and `layer4`."""
    network = resnet34().eval()
    network.load_state_dict(load_file(weights), strict=False)  # num_batches_tracked is missing
    for block in [network, *(one for one in network.modules() if hasattr(one, "conv2"))]:
        for number in (1, 2):
            if hasattr(block, f"bn{number}"):
                setattr(block, f"conv{number}", _fused(block, f"conv{number}", f"bn{number}"))
                setattr(block, f"bn{number}", nn.Identity())
        if getattr(block, "downsample", None) is not None:
            block.downsample = _fused(block.downsample, "0", "1")
    names = ("conv1", "relu", "maxpool", "layer1", "layer2", "layer3")
    trunk = nn.Sequential(*(getattr(network, name) for name in names))
    whole = nn.ModuleDict({"trunk": trunk, "layer4": network.layer4})
    return whole.to(device, dtype).to(memory_format=torch.channels_last)


def bare_images(place: Workplace, count: int) -> Tensor:
    """Random input of the network, float32, channels last."""
    side = place.extract.crop
    drawn = torch.randn(count, 3, side, side, device=place.device)
    return drawn.contiguous(memory_format=torch.channels_last)


def decode_only(path: Path) -> int:
    """Decode a video in one thread without using the frames; return their number."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def write_raw(folder: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write the bytes of each array to a new file."""
    for number, array in enumerate(arrays):
        path = folder / f"{number}.raw"
        path.unlink(missing_ok=True)
        with open(path, "xb") as file:
            file.write(array.data)


def _fused(block: nn.Module, conv: str, norm: str) -> nn.Module:
    fused: nn.Module = fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm))
    return fused


def _forward(network: nn.ModuleDict, images: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            maps: Tensor = network["layer4"](network["trunk"](images))
            return maps

    return run
