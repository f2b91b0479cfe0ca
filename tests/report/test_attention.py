"""Which clips are shown, what their pictures hold, and the table, over fabricated measures."""

import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from tavlad.errors import TavladError
from tavlad.learning.clip_attention import ClipAttention, save_attention
from tavlad.learning.scores import Predictions
from tavlad.report.attention import choose_clips, draw_clips, write_attention
from tavlad.report.picture import ROWS, AttentionRows, draw_attention
from tavlad.report.results import SplitResult
from tavlad.video.frames import read_frames_file
from tests.report.made import store_frames

CLASSES = ("jump", "run")
T, CROP = 12, 64
RNG = np.random.default_rng(0)


def result(split: str, *ids: str, measures: dict | None = None) -> SplitResult:
    labels = np.array([CLASSES.index(clip.split("/")[0]) for clip in ids])
    made = Predictions(ids, labels, np.eye(2, dtype=np.float32)[1 - labels], CLASSES)
    metrics = {} if measures is None else {"attention": measures}
    return SplitResult(split, {"stage1": made, "stage2": made}, {}, metrics)


def store_noise(folder: Path, clip: str) -> None:
    frames = np.repeat(np.repeat(RNG.integers(0, 256, (T, 10, 13, 3), dtype=np.uint8), 8, axis=1), 8, axis=2)
    store_frames(folder / f"{clip}.h5", frames)


def store_looks(folder: Path, ids: tuple[str, ...], attention: bool = True) -> dict[str, np.ndarray]:
    """SavedAttention of both stages in `folder`; the attention after stage 2 by clip."""
    folder.mkdir(parents=True)
    for name in ("attention_stage1.h5", "attention.h5"):
        maps = RNG.random((len(ids), T, 2, 2)).astype(np.float32)
        maps /= maps.sum(axis=(2, 3), keepdims=True)
        winners = tuple(f"{name} object {t}, thing" for t in range(T))
        save_attention(
            folder / name, ids, [ClipAttention(*((m, winners) if attention else (None, None)), 0.0, 0.0) for m in maps]
        )
    return dict(zip(ids, maps, strict=True))


def test_the_first_held_out_clip_of_each_class_is_taken_unless_others_are_asked_for(tmp_path: Path) -> None:
    first = result("split1", "run/b", "jump/d", "run/a", "jump/c")
    second = result("split2", "run/e", "run/a")
    assert choose_clips([first, second], [], tmp_path) == {"jump/d": first, "run/b": first}
    assert choose_clips([first, second], ["run/e", "run/a"], tmp_path) == {"run/e": second, "run/a": first}


def test_all_clips_that_cannot_be_shown_are_named(tmp_path: Path) -> None:
    store_noise(tmp_path, "run/x")
    with pytest.raises(TavladError) as error:
        choose_clips([result("split1", "run/a", "jump/b")], ["run/a", "run/x", "run/typo"], tmp_path)
    assert error.value.rows == [("run/x", "no split holds it out"), ("run/typo", "no clip has this id")]
    assert "summary.clips" in error.value.advice


def test_a_picture_for_each_clip_with_the_looks_of_its_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    monkeypatch.setattr(
        "tavlad.report.attention.draw_attention",
        lambda rows, crop, title, path: drawn.update({path: (rows, title)}),
    )
    attention = {}
    for split, ids in (("split1", ("run/a", "jump/b")), ("split2", ("jump/b", "run/c"))):
        attention[split] = store_looks(tmp_path / split, ids)
    for clip in ("run/a", "jump/b", "run/c"):
        store_noise(tmp_path / "frames", clip)
    first, second = result("split1", "run/a", "jump/b"), result("split2", "jump/b", "run/c")
    chosen = {"jump/b": first, "run/c": second}
    draw_clips(chosen, tmp_path, tmp_path / "frames", CROP, tmp_path / "out")
    assert list(drawn) == [tmp_path / "out" / "jump-b.png", tmp_path / "out" / "run-c.png"]
    for path, (clip, held) in zip(drawn, chosen.items(), strict=True):
        rows, title = drawn[path]
        np.testing.assert_array_equal(rows.attention["after stage 2"], attention[held.split][clip])
        assert rows.winners["before stage 2"][3] == "attention_stage1.h5 object 3, thing"
        np.testing.assert_array_equal(rows.frames, read_frames_file(tmp_path / "frames" / f"{clip}.h5"))
        label = clip.split("/")[0]
        assert f"class: {label}" in title and f"predicted: {'run' if label == 'jump' else 'jump'}" in title


def test_without_attention_nothing_is_drawn(tmp_path: Path) -> None:
    store_looks(tmp_path / "split1", ("run/a",), attention=False)
    draw_clips({"run/a": result("split1", "run/a")}, tmp_path, tmp_path, CROP, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def made_rows(T: int, height: int = 80, width: int = 104) -> AttentionRows:
    frames = RNG.integers(0, 256, (T, height, width, 3), dtype=np.uint8)
    before, after = np.full((T, 2, 2), 0.25), np.zeros((T, 2, 2))
    after[:, 1, 0] = 1
    names = [f"coot {t}, Fulica" for t in range(T)]
    return AttentionRows(frames, dict(zip(ROWS, (before, after), strict=True)), dict.fromkeys(ROWS, names))


def test_a_picture_holds_the_centre_of_frames_over_all_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, texts = [], []
    imshow, text = Axes.imshow, Axes.text
    monkeypatch.setattr(Axes, "imshow", lambda *a, **k: (shown.append((a[1], k["extent"])), imshow(*a, **k))[1])
    monkeypatch.setattr(Axes, "text", lambda *a, **k: (texts.append(a[3]), text(*a, **k))[1])
    made = made_rows(16)
    draw_attention(made, CROP, "title", tmp_path / "picture.png")
    assert len(shown) == 24
    rows = sorted({extent[3] for _, extent in shown})
    for column, (tile, _) in enumerate(sorted((s for s in shown if s[1][3] == rows[0]), key=lambda s: s[1][0])):
        np.testing.assert_array_equal(tile, made.frames[2 * column + 1, 8:72, 20:84])
    for tile, extent in shown:
        if extent[3] == rows[2]:  # all of the attention is at the bottom left: pale yellow there, grey elsewhere
            colour = np.ptp(tile.astype(int), axis=2)
            assert colour[32:, :32].mean() > 4 * colour[:16, 48:].mean() and (tile[56:, :8, 0] > tile[56:, :8, 2]).all()
    assert texts.count("coot 1") == 2 and texts.count("coot 15") == 2 and "after stage 2" in texts


@pytest.mark.parametrize("T", [1, 3, 8])
def test_short_clips_and_odd_titles_give_a_picture_of_the_same_bytes(tmp_path: Path, T: int) -> None:
    made = made_rows(T, 64, 64)
    for name in ("a.png", "b.png"):
        draw_attention(made, CROP, "class: cost$_{x^ (a very long title, which is to be wrapped)", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.height > 600 and picture.width > T * 150


def test_the_table_means_over_the_splits_that_measured(tmp_path: Path) -> None:
    def measures(entropy: float, focus: float, **classes: float) -> dict:
        return {"empty_clusters": 0.5, "entropy": entropy, "focus": focus, "focus_per_class": classes}

    first = {"stage1": measures(0.9, 1.0, jump=1.0, run=0.5), "stage2": measures(0.5, 2.0, jump=2.0, run=3.0)}
    second = {"stage1": measures(0.8, 1.5, run=1.5), "stage2": measures(0.4, 3.0, run=4.0)}
    results = [result(f"split{k}", "run/a", measures=one) for k, one in enumerate((first, second), 1)]
    write_attention(results, tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["measure", "class", "before", "after"],
            ["entropy", "", "0.85", "0.45"],
            ["focus", "", "1.25", "2.5"],
            ["focus", "jump", "1.0", "2.0"],
            ["focus", "run", "1.0", "3.5"],
        ]


@pytest.mark.parametrize("measures", [None, {"stage1": {"empty_clusters": 0.5}, "stage2": {"empty_clusters": 0.5}}])
def test_where_nothing_was_measured_there_is_no_table(tmp_path: Path, measures: dict | None) -> None:
    write_attention([result("split1", "run/a", measures=measures)], tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()
