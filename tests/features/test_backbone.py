"""The backbone file: strict, reproducible, with a digest that notices one bit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tavlad.errors import TavladError
from tavlad.features.backbone import Weights, backbone_digest, load_backbone, network_of, state_digest, write_backbone


def test_round_trip(tmp_path: Path, weights: Weights) -> None:
    write_backbone(tmp_path / "b", weights, "random")
    state, loaded = weights.tensors, load_backbone(tmp_path / "b").tensors
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert sum(tensor.numel() for name, tensor in state.items() if "running" not in name) == 21_797_672
    assert backbone_digest(tmp_path / "b") == state_digest(state)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path, weights: Weights) -> None:
    for name in ("one", "two"):
        shuffled = dict(sorted(weights.tensors.items(), reverse=name == "two"))
        write_backbone(tmp_path / name, Weights("resnet34", shuffled), "random")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_digest_notices_one_bit_and_a_swap_of_names(tmp_path: Path, weights: Weights) -> None:
    state = dict(weights.tensors)
    write_backbone(tmp_path / "b", weights, "random")
    before = backbone_digest(tmp_path / "b")
    data = bytearray((tmp_path / "b").read_bytes())
    data[-1000] ^= 1
    (tmp_path / "b").write_bytes(data)
    assert backbone_digest(tmp_path / "b") != before
    swapped = {**state, "bn1.weight": state["bn1.bias"], "bn1.bias": state["bn1.weight"]}
    assert state_digest(swapped) != state_digest(state)
    assert state_digest({"a": torch.zeros(2, 3)}) != state_digest({"a": torch.zeros(3, 2)})


def test_everything_that_is_amiss_is_named(tmp_path: Path, state: dict[str, Tensor]) -> None:
    wrong = {name: tensor for name, tensor in state.items() if name != "fc.bias"}
    wrong |= {"extra": torch.zeros(1), "conv1.weight": torch.zeros(64, 1, 7, 7), "bn1.bias": state["bn1.bias"].half()}
    wrong["bn1.weight"] = state["bn1.weight"].clone()
    wrong["bn1.weight"][5] = torch.nan
    save_file(wrong, tmp_path / "b")
    with pytest.raises(TavladError) as caught:
        load_backbone(tmp_path / "b")
    rows = dict(caught.value.rows)
    assert rows.keys() == {"fc.bias", "extra", "conv1.weight", "bn1.bias", "bn1.weight"}
    assert "(64, 1, 7, 7), expected (64, 3, 7, 7)" in rows["conv1.weight"] and rows["bn1.weight"] == "not finite"


def test_it_states_the_network_and_what_its_frames_look_like(tmp_path: Path, weights: Weights) -> None:
    write_backbone(tmp_path / "b", weights, "here")
    with safe_open(tmp_path / "b", framework="pt") as opened:
        facts = json.loads(opened.metadata()["backbone"])
    assert facts == {
        "network": "resnet34",
        "channels": 512,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "digest": state_digest(weights.tensors),
        "source": "here",
    }
    assert network_of(tmp_path / "b") == load_backbone(tmp_path / "b").network == "resnet34"


def test_a_file_from_before_there_was_a_choice_is_a_resnet34(tmp_path: Path, state: dict[str, Tensor]) -> None:
    save_file(state, tmp_path / "b", metadata={"backbone": json.dumps({"digest": "x", "source": "random"})})
    assert network_of(tmp_path / "b") == load_backbone(tmp_path / "b").network == "resnet34"


@pytest.mark.parametrize("facts", ['{"network": "resnet9000"}', "no json", "[]"])
def test_a_file_of_a_network_that_is_not_known_is_named(tmp_path: Path, state: dict[str, Tensor], facts: str) -> None:
    save_file(state, tmp_path / "b", metadata={"backbone": facts})
    for read in (network_of, load_backbone, backbone_digest):
        with pytest.raises(TavladError) as caught:
            read(tmp_path / "b")
        assert caught.value.rows[0][0] == str(tmp_path / "b")


@pytest.mark.parametrize("content", [b"", b"not a safetensors file at all", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "b").write_bytes(content)
    with pytest.raises(TavladError, match=str(tmp_path / "b")):
        load_backbone(tmp_path / "b")
