"""Clips with their frames in other orders: against naive loops, and against models whose answer is known."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tavlad.data.table import Examples
from tavlad.device import Speed
from tavlad.features.cache import write_maps
from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.learning.orders import SCORED, other_orders
from tavlad.learning.scores import Predictions
from tavlad.learning.scoring import Scorer, Scoring, make_scores
from tavlad.model.tavlad import TAVLAD
from tavlad.report.evaluation import order_metrics
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import Place
from tests.models import small_model

CPU = torch.device("cpu")
CLASSES = ("a", "b", "c", "d", "e")
IDS = tuple(f"clip {number}" for number in range(12))
T = 5


def scorer(folder: Path, backbone: bool = False, **changes: str) -> Scorer:
    sizes = {"frames": T, "short_side": 70, "crop": 64, "jpeg_quality": 95} if backbone else {}
    save_checkpoint(
        folder / "model.safetensors", small_model(5, 3, backbone, **changes), Facts(CLASSES, "float32", "r", **sizes)
    )
    return Scorer(folder, CPU)


def test_an_order_is_that_of_the_clip_and_of_nothing_else() -> None:
    assert other_orders("x", 4)[0] == [3, 2, 1, 0] and other_orders("x", 1) == [[0], [0]]
    drawn = [tuple(other_orders(clip, T)[1]) for clip in IDS]
    assert drawn == [tuple(other_orders(clip, T)[1]) for clip in IDS] and len(set(drawn)) > 8
    assert all(sorted(order) == list(range(T)) for order in drawn)
    first = Counter(other_orders(f"clip {number}", T)[1][0] for number in range(1000))
    assert all(150 < first[frame] < 250 for frame in range(T))  # 200 +- 4 deviations


@pytest.mark.parametrize("temporal", ["gru", "bigru"])
def test_cached_maps_in_another_order_are_scored_as_a_loop_would(tmp_path: Path, temporal: str) -> None:
    made = scorer(tmp_path, temporal=temporal)
    maps = np.random.default_rng(0).random((T, 512, 2, 2)).astype(np.float16)
    logits, attended = made.in_all_orders("stage1", "clip 1", maps)
    filmed, seen = made.of_maps(maps)
    np.testing.assert_array_equal(logits[0], filmed)
    np.testing.assert_array_equal(attended.attention, seen.attention)
    for row, order in zip(logits[1:], other_orders("clip 1", T), strict=True):
        turned = np.stack([maps[frame] for frame in order])
        np.testing.assert_array_equal(row, made.of_maps(turned)[0])
    assert len({row.tobytes() for row in logits}) == 3


@pytest.mark.parametrize("attention", ["joint", "decoupled"])
def test_frames_in_another_order_are_scored_as_a_loop_would(tmp_path: Path, attention: str) -> None:
    made = scorer(tmp_path, backbone=True, attention=attention)
    frames = np.random.default_rng(0).integers(0, 256, (T, 70, 80, 3), dtype=np.uint8)
    logits, attended = made.in_all_orders("stage2", "clip 1", frames)
    filmed, seen = made.of_frames(frames)
    np.testing.assert_array_equal(logits[0], filmed)
    np.testing.assert_array_equal(attended.attention, seen.attention)
    for row, order in zip(logits[1:], other_orders("clip 1", T), strict=True):
        turned = np.stack([frames[frame] for frame in order])
        np.testing.assert_allclose(row, made.of_frames(turned)[0], rtol=1e-4, atol=1e-5)
    assert np.abs(logits[1:] - logits[0]).max() > 1e-4  # more than rounding


def test_the_network_sees_each_frame_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen = scorer(tmp_path, backbone=True), []
    maps_of = TAVLAD.maps_of
    monkeypatch.setattr(TAVLAD, "maps_of", lambda model, frames: (seen.append(frames.shape), maps_of(model, frames))[1])
    made.in_all_orders("stage2", "x", np.zeros((T, 70, 80, 3), np.uint8))
    assert seen == [(1, T, 3, 64, 64)]


def test_a_sum_over_time_is_as_good_in_any_order(tmp_path: Path) -> None:
    made = scorer(tmp_path, temporal="sum")
    maps = np.random.default_rng(0).random((len(IDS), T, 512, 2, 2)).astype(np.float16)
    logits = np.stack([made.in_all_orders("stage1", clip, one)[0] for clip, one in zip(IDS, maps, strict=True)], axis=1)
    np.testing.assert_allclose(logits, np.broadcast_to(logits[0], logits.shape), rtol=1e-4, atol=1e-6)
    labels = np.arange(len(IDS)) % 5
    assert len({Predictions(IDS, labels, one, CLASSES).top1 for one in logits}) == 1


def first_frame(model: TAVLAD, maps: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Logits (1, Y) of a model that says the value of the first frame."""
    return torch.eye(5)[maps[:, 0].flatten(1)[:, 0].long()]


def test_a_model_that_says_the_first_frame_is_right_as_often_as_counting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TAVLAD, "classify", first_frame)
    maps = np.arange(T, dtype=np.float16)[:, None, None, None] * np.ones((T, 512, 2, 2), np.float16)
    for clip in IDS:
        write_maps(tmp_path / f"{clip}.h5", clip, maps[None], "r", [None], {})
    scorer(tmp_path)
    labels = tuple(number % T for number in range(len(IDS)))
    model, inputs = Input(tmp_path / "model.safetensors", ""), Inputs(tmp_path, tuple((clip, "") for clip in IDS))
    wanted = Scoring("stage1", Examples(IDS, labels), CLASSES, inputs, model, "float32", False)
    made = tmp_path / "made"
    make_scores(Place(None, "evaluate", "key", made), wanted, Speed(CPU, 1, "scoring"))  # type: ignore[arg-type]
    assert Predictions.load(made / "predictions.h5").top1 == labels.count(0) / len(IDS)
    shuffled = sum(other_orders(clip, T)[1][0] == label for clip, label in zip(IDS, labels, strict=True)) / len(IDS)
    expected = {"reversed": round(labels.count(T - 1) / len(IDS), 5), "shuffled": round(shuffled, 5)}
    assert order_metrics(made, "") == expected
    assert sorted(path.name for path in made.iterdir()) == sorted(
        f"{one}.h5" for one in (*SCORED.values(), "attention")
    )
