"""Where a model looks, against naive loops; and the file it is kept in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tavlad.learning.clip_attention import read_attention, save_attention
from tavlad.learning.scoring import CATEGORIES, attention_of_clip
from tavlad.model.settings import ModelSettings
from tavlad.model.tavlad import TAVLAD
from tests.models import SETTINGS


def make(**changes: str) -> TAVLAD:
    torch.manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(5, 512), dim=1)
    chosen = {**SETTINGS, "alpha": 30.0, "features": "pre_relu", **changes}
    return TAVLAD(centers, ModelSettings(3, **chosen)).eval()


def test_a_look_is_what_loops_say() -> None:
    model = make()
    maps = torch.randn(1, 3, 512, 2, 2)
    found = attention_of_clip(model, maps, maps)
    assert found.attention is not None and found.winners is not None
    centers, fc = model.vlad.centers.detach().double(), model.attention.fc.requires_grad_(False)
    nearest, confident = set(), 0
    for t in range(3):
        frame = maps[0, t].double()
        seen = frame.clamp(min=0)
        scores = fc.weight.double() @ seen.mean(dim=(1, 2)) + fc.bias.double()
        p = int(scores.argmax())
        assert found.winners[t] == CATEGORIES[p]
        cam = torch.tensor([[float(fc.weight[p].double() @ seen[:, y, x]) for x in range(2)] for y in range(2)])
        np.testing.assert_allclose(found.attention[t], cam.exp() / cam.exp().sum(), rtol=1e-4)
        for y in range(2):
            for x in range(2):
                unit = frame[:, y, x] / frame[:, y, x].norm()
                a = (-30 * ((unit - centers) ** 2).sum(dim=1)).softmax(dim=0)
                nearest.add(int(a.argmax()))
                confident += bool(a.max() > 0.99)
    assert found.empty == pytest.approx(1 - len(nearest) / 5) and found.confident == pytest.approx(confident / 12)


def test_attention_sums_to_one_whatever_its_scale_and_is_that_of_the_maps_to_attend_by() -> None:
    model = make()
    maps, seen = torch.randn(2, 1, 3, 512, 2, 2)
    np.testing.assert_allclose(attention_of_clip(model, maps, seen).attention.sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        attention_of_clip(model, maps, seen).attention, attention_of_clip(model, seen, seen).attention
    )


def test_looks_are_read_back_as_they_were_saved_and_with_the_same_bytes(tmp_path: Path) -> None:
    model = make()
    looks = [attention_of_clip(model, maps, maps) for maps in torch.randn(2, 1, 3, 512, 2, 2)]
    for name in ("a.h5", "b.h5"):
        save_attention(tmp_path / name, ["x", "y ü"], looks)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    read = read_attention(tmp_path / "a.h5")
    assert read.ids == ("x", "y ü") and read.attention is not None and read.winners is not None
    for number, one in enumerate(looks):
        np.testing.assert_array_equal(read.attention[number], one.attention)
        assert tuple(read.winners[number]) == one.winners
        assert (read.empty[number], read.confident[number]) == (one.empty, one.confident)


def test_variants_without_attention_or_clusters_look_nowhere(tmp_path: Path) -> None:
    maps = torch.randn(1, 3, 512, 2, 2)
    none = attention_of_clip(make(attention="none"), maps, maps)
    assert none.attention is None and none.winners is None and 0 <= none.empty < 1
    average = attention_of_clip(make(pooling="avg", attention="none", temporal="sum"), maps, maps)
    assert np.isnan(average.empty) and np.isnan(average.confident)
    save_attention(tmp_path / "n.h5", ["x"], [none])
    assert read_attention(tmp_path / "n.h5").attention is None
