"""The backbone file: the weights of a whole ResNet-34 under torchvision's names, and the digest that recipes use."""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tavlad.errors import InputError

ADVICE = "Make the file again (stage 'backbone'), or correct backbone.weights in params.yaml."


def write_backbone(path: Path, state: Mapping[str, Tensor], source: str) -> None:
    """Write a checked `state` (float32, torchvision's names) as safetensors; `source` says where it came from."""
    check_state(state, source)
    tensors = {name: state[name].contiguous() for name in sorted(state)}
    # One metadata key: safetensors writes several in an order that differs from run to run.
    about = json.dumps({"digest": state_digest(tensors), "source": source}, sort_keys=True)
    save_file(tensors, path, metadata={"backbone": about})


def load_backbone(path: Path) -> dict[str, Tensor]:
    """The float32 tensors of a ResNet-34 with fc.weight (1000,512) and fc.bias; InputError names all that is wrong."""
    state = _tensors(path)
    check_state(state, str(path))
    return state


def backbone_digest(path: Path) -> str:
    """Digest of the tensors in the file, computed and not read: what a recipe holds of the weights."""
    return state_digest(_tensors(path))


def state_digest(state: Mapping[str, Tensor]) -> str:
    """Digest of tensors: names, shapes, dtypes, bytes."""
    hasher = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].contiguous()
        hasher.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        hasher.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def check_state(state: Mapping[str, Tensor], source: str) -> None:
    """Raise InputError that names every key which is missing, unknown, misshapen, not float32 or not finite."""
    expected = _shapes()
    rows = [(name, "missing") for name in sorted(expected.keys() - state.keys())]
    rows += [(name, "not in a ResNet-34") for name in sorted(state.keys() - expected.keys())]
    for name in sorted(expected.keys() & state.keys()):
        if tuple(state[name].shape) != expected[name]:
            rows.append((name, f"shape {tuple(state[name].shape)}, expected {expected[name]}"))
        elif state[name].dtype != torch.float32:
            rows.append((name, f"{state[name].dtype}, expected torch.float32"))
        elif not state[name].isfinite().all():
            rows.append((name, "not finite"))
    if rows:
        raise InputError(f"{source} does not hold the weights of a ResNet-34", rows, ADVICE)


@functools.cache
def _shapes() -> dict[str, tuple[int, ...]]:
    from torchvision.models import resnet34  # as long to load as torch, and stage 1 needs the classifier alone

    with torch.device("meta"):
        state = resnet34().state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError("The backbone cannot be read", [(str(path), str(error))], ADVICE) from None
