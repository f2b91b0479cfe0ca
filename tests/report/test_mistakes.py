"""Which mistakes are shown, in which order, and what their pictures hold."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tavlad.learning.clip_attention import ClipAttention, save_attention
from tavlad.learning.scores import Predictions
from tavlad.report.mistakes import Mistake, find_mistakes, picture_mistakes
from tests.report.made import made_result, store_frames

CLASSES = ("a", "b", "c", "d", "e")
CROP, SIDE = 64, 128


def predictions(prefix: str, seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    logits = (3 * rng.normal(size=(40, 5))).astype(np.float32)
    return Predictions(tuple(f"{prefix}{i}" for i in range(40)), rng.integers(0, 5, 40), logits, CLASSES)


def test_all_that_is_wrong_with_its_probabilities_the_most_confident_first() -> None:
    made = {"split1": predictions("x", 1), "split2": predictions("y", 2)}
    found = find_mistakes([made_result(split, one) for split, one in made.items()], 1000)
    expected = set()
    for split, one in made.items():
        shares = torch.from_numpy(one.logits).double().softmax(1)
        for clip, label, row in zip(one.ids, one.labels, shares, strict=True):
            best, places = row.topk(3)
            if places[0] != label:
                top = [(CLASSES[place], round(float(p), 9)) for place, p in zip(places, best, strict=True)]
                expected.add((split, clip, CLASSES[label], *top, round(float(row[label]), 9)))
    said = [(m.split, m.clip, m.label, *((name, round(p, 9)) for name, p in m.top), round(m.own, 9)) for m in found]
    assert len(said) == len(expected) > 50 and set(said) == expected
    confidence = [one.top[0][1] for one in found]
    assert confidence == sorted(confidence, reverse=True)


@pytest.mark.parametrize("most", [0, 3])
def test_no_more_than_are_asked_for(most: int) -> None:
    results = [made_result("split1", predictions("x", 1))]
    assert find_mistakes(results, most) == find_mistakes(results, 1000)[:most]


def test_mistakes_that_are_as_sure_stand_in_the_order_of_their_names() -> None:
    logits = np.tile(np.float32([[0, 9, 0, 0, 0]]), (3, 1))
    made = [Predictions(ids, np.zeros(3, int), logits, CLASSES) for ids in (("c", "a", "b"), ("f", "e", "d"))]
    results = [made_result(f"split{k}", one) for k, one in enumerate(made, 1)]
    assert [one.clip for one in find_mistakes(results[::-1], 9)] == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(("attended", "T"), [(True, 7), (False, 7), (True, 1)])
def test_a_picture_holds_key_frames_and_where_the_model_looks_in_them(tmp_path: Path, attended: bool, T: int) -> None:
    frames = np.zeros((T, 64, 96, 3), np.uint8)
    frames[:, :, 16:80] = 40 + 30 * np.arange(T, dtype=np.uint8)[:, None, None, None]  # the crop of frame t: 40 + 30 t
    frames[:, :, :16] = frames[:, :, 80:] = 255
    store_frames(tmp_path / "frames" / "a" / "clip.h5", frames)
    maps = np.zeros((T, 2, 2), np.float32)
    maps[:, 0, 1] = 1  # at the top right
    others = np.full((T, 2, 2), 0.25, np.float32)
    looks = [
        ClipAttention(one if attended else None, ("x",) * T if attended else None, 0.0, 0.0) for one in (others, maps)
    ]
    (tmp_path / "evaluate" / "split2").mkdir(parents=True)
    save_attention(tmp_path / "evaluate" / "split2" / "attention.h5", ("other", "a/clip"), looks)
    asked = [Mistake("split2", "a/clip", "a", (("b", 0.9),), 0.1)]
    (jpeg,) = picture_mistakes(asked, tmp_path / "evaluate", tmp_path / "frames", CROP)
    picture = np.asarray(Image.open(io.BytesIO(jpeg), formats=["JPEG"])).astype(int)
    shown = [1, 3, 5] if T == 7 else [0]
    assert picture.shape == ((1 + attended) * SIDE, len(shown) * SIDE, 3)
    for column, frame in enumerate(shown):
        tile = picture[:SIDE, column * SIDE : (column + 1) * SIDE]
        np.testing.assert_allclose(tile[8:-8, 8:-8], 40 + 30 * frame, atol=3)
        if attended:
            under = picture[SIDE:, column * SIDE : (column + 1) * SIDE]
            assert np.ptp(under[8:24, -24:-8], axis=2).mean() > 20 > np.ptp(under[-24:-8, 8:24], axis=2).mean()
    assert jpeg == picture_mistakes(asked, tmp_path / "evaluate", tmp_path / "frames", CROP)[0]


def test_where_nothing_is_wrong_no_file_is_opened(tmp_path: Path) -> None:
    assert picture_mistakes([], tmp_path, tmp_path, CROP) == []
