"""Where weights come from: ImageNet by torchvision's download, a local file, or a calibrated random draw."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import ResNet34_Weights, resnet34

from tavlad.demo.scene import calibration_frames
from tavlad.errors import InputError
from tavlad.features.backbone import check_state, write_backbone
from tavlad.features.views import centre_view
from tavlad.store.making import Place
from tavlad.store.recipes import file_digest

CALIBRATION = (64, 128, 112)  # generated frames, their short side, their crop: the same for every data set
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError)


@dataclass(frozen=True)
class Source:
    """What parameter `backbone.weights` says, the seed of "random", and the digest of a local file ("" for none)."""

    weights: str
    seed: int
    digest: str

    @classmethod
    def of(cls, weights: str, seed: int) -> "Source":
        """The source that `weights` names: "imagenet", "random", or a path."""
        path = Path(weights)
        local = weights not in ("imagenet", "random") and path.is_file()
        return cls(weights, seed, file_digest(path) if local else "")


def make_backbone(place: Place, source: Source, speed: None) -> None:
    """Write the backbone's file at `place`."""
    write_backbone(place.path, state_of(source.weights, source.seed), source.weights)


def state_of(weights: str, seed: int) -> dict[str, Tensor]:
    """The state dict that `weights` names: "imagenet", a path, or "random", which is drawn and calibrated by `seed`."""
    if weights == "imagenet":
        return imagenet_weights()
    if weights != "random":
        return local_weights(Path(weights))
    count, short_side, crop = CALIBRATION
    return random_weights(seed, centre_view(torch.from_numpy(calibration_frames(seed, count, short_side)), crop))


def imagenet_weights() -> dict[str, Tensor]:
    """torchvision's ImageNet ResNet-34, downloaded once, checked by hash; offline, InputError tells what to do."""
    url = ResNet34_Weights.IMAGENET1K_V1.url
    name = url.rsplit("/", 1)[-1]
    try:
        state = ResNet34_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except UNREADABLE as error:
        advice = (
            f"Without a network: fetch {url} elsewhere and put it at {Path(torch.hub.get_dir(), 'checkpoints', name)}, "
            "or set backbone.weights in params.yaml to a local .pth or .safetensors file, or to 'random'."
        )
        raise InputError("The ImageNet weights could not be loaded", [(name, _reason(error))], advice) from None
    return clean(state, url)


def local_weights(path: Path) -> dict[str, Tensor]:
    """A ResNet-34 from a .safetensors file, or a .pth by a loader that runs none of its code; else InputError."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        advice = "backbone.weights is 'imagenet', 'random', or the path of a .pth or .safetensors file of tensors only."
        raise InputError("The backbone's weights cannot be read", [(str(path), _reason(error))], advice) from None
    return clean(state, str(path))


def random_weights(seed: int, images: Tensor) -> dict[str, Tensor]:
    """He-initialised ResNet-34 whose batch-norms hold the statistics of their input on `images`, float32 (B,3,H,W)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = resnet34().eval()  # torchvision's own initialisation: kaiming_normal, fan_out
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(_calibrate) for norm in norms]
    with torch.inference_mode(False), torch.no_grad(), _one_thread():
        network(images)
    for hook in hooks:
        hook.remove()
    return clean(network.state_dict(), "random")


def clean(state: Any, source: str) -> dict[str, Tensor]:
    """`state` in torchvision's names, float32, without counters, wrapper, prefix; InputError if it is no ResNet-34."""
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            "The backbone's weights cannot be used", [(source, "not a state dict: names with tensors")], ""
        )
    named = {str(name).removeprefix("module."): value for name, value in state.items()}
    kept = {name: value.detach().float() for name, value in named.items() if not name.endswith("num_batches_tracked")}
    check_state(kept, source)
    return kept


def _calibrate(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Set the statistics before the layer uses them, so that every later layer sees what it will see in use."""
    variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
    norm.get_buffer("running_mean").copy_(mean)
    norm.get_buffer("running_var").copy_(variance)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of several threads differ in their last bits with the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return "holds more than tensors: refused, none of it was run" if isinstance(error, pickle.UnpicklingError) else text
