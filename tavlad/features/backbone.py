"""The backbone file: the weights of a complete network under its publisher's names, and their digest for recipes."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tavlad.errors import InputError
from tavlad.model.backbone import Backbone, family_of
from tavlad.model.settings import NetworkName

ADVICE = "Make the file again (stage 'backbone'), or correct section 'backbone' of params.yaml."
DEFAULT: NetworkName = "resnet34"  # the network of older files, which do not name one


@dataclass(frozen=True)
class Weights:
    """A complete network: its name, and its float32 tensors under its publisher's names."""

    network: NetworkName
    tensors: Mapping[str, Tensor]

    def classifier(self) -> dict[str, Tensor]:
        """`weight` (1000, C) and `bias` (1000) of the ImageNet classifier."""
        name = family_of(self.network).classifier
        return {kind: self.tensors[f"{name}.{kind}"] for kind in ("weight", "bias")}

    def backbone(self, pre_relu: bool) -> Backbone:
        """The network without its classifier."""
        backbone = Backbone(self.network, pre_relu)
        head = family_of(self.network).classifier + "."
        backbone.load_state_dict({name: one for name, one in self.tensors.items() if not name.startswith(head)})
        return backbone


def write_backbone(path: Path, weights: Weights, source: str) -> None:
    """Check `weights` and write them as safetensors; `source` records where they came from."""
    check_state(weights, source)
    family, tensors = family_of(weights.network), {name: weights.tensors[name] for name in sorted(weights.tensors)}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    facts = {
        "network": weights.network,
        "channels": family.channels[weights.network],
        "mean": family.mean,
        "std": family.std,
        "digest": state_digest(tensors),
        "source": source,
    }
    # One metadata key: safetensors writes several in an order that differs from run to run.
    save_file(tensors, path, metadata={"backbone": json.dumps(facts, sort_keys=True)})


def load_backbone(path: Path) -> Weights:
    """Load and check the weights in the file; InputError lists everything that is wrong."""
    weights = _read(path)
    check_state(weights, str(path))
    return weights


def backbone_digest(path: Path) -> str:
    """Digest of the tensors in the file, for recipes; computed, not read from the metadata."""
    return state_digest(_read(path).tensors)


def network_of(path: Path) -> NetworkName:
    """The network whose weights the file holds."""
    with _opened(path) as opened:
        return _network(path, opened.metadata())


def backbone_source(path: Path) -> str:
    """Where the weights in the file came from: "imagenet", "random", or a local file; "unknown" for older files."""
    with _opened(path) as opened:
        return str(json.loads((opened.metadata() or {}).get("backbone", "{}")).get("source", "unknown"))


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Digest of tensors: names, shapes, dtypes, bytes."""
    hasher = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].contiguous()
        hasher.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        hasher.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def check_state(weights: Weights, source: str) -> None:
    """Raise InputError listing every key that is missing, unknown, of the wrong shape, not float32 or not finite."""
    state, expected = weights.tensors, _shapes(weights.network)
    rows = [(name, "missing") for name in sorted(expected.keys() - state.keys())]
    rows += [(name, f"not in {weights.network}") for name in sorted(state.keys() - expected.keys())]
    for name in sorted(expected.keys() & state.keys()):
        if tuple(state[name].shape) != expected[name]:
            rows.append((name, f"shape {tuple(state[name].shape)}, expected {expected[name]}"))
        elif state[name].dtype != torch.float32:
            rows.append((name, f"{state[name].dtype}, expected torch.float32"))
        elif not state[name].isfinite().all():
            rows.append((name, "not finite"))
    if rows:
        raise InputError(f"{source} does not contain the weights of {weights.network}", rows, ADVICE)


@functools.cache
def _shapes(network: NetworkName) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        state = family_of(network).build(network).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def _read(path: Path) -> Weights:
    with _opened(path) as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is no dict)
        return Weights(_network(path, opened.metadata()), tensors)


def _opened(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise InputError("The backbone cannot be read", [(str(path), str(error))], ADVICE) from None


def _network(path: Path, metadata: Mapping[str, str] | None) -> NetworkName:
    try:
        name: NetworkName = json.loads((metadata or {}).get("backbone", "{}")).get("network", DEFAULT)
        family_of(name)
    except (ValueError, AttributeError) as error:
        raise InputError("The backbone cannot be read", [(str(path), str(error))], ADVICE) from None
    return name
