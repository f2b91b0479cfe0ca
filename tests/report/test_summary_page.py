"""What the page of stage summary says of fabricated splits."""

import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tavlad.learning.scores import Predictions
from tavlad.report.mistakes import find_mistakes
from tavlad.report.summary_page import PICTURES, Shown, doubtful_clips, score_rows, write_summary_page
from tests.report.made import made_result

CLASSES = ("a", "b", "none of it")  # the last one has no held-out clip
NOTHING = Shown([], [], 50, [], [])


def predictions(right: int, prefix: str = "clip", classes: tuple[str, ...] = CLASSES) -> Predictions:
    labels = np.arange(20) % 2
    predicted = np.where(np.arange(20) < right, labels, 1 - labels)
    ids = tuple(f"{prefix} {i}" for i in range(20))
    return Predictions(ids, labels, np.eye(len(classes), dtype=np.float32)[predicted], classes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (30, 20)).save(tmp_path / "curves.png")
    return tmp_path


def words(path: Path) -> str:
    """The text of a page, in one line."""
    text = re.sub("<(script|style)>.*?</(script|style)>", "", path.read_text(), flags=re.S)
    return " ".join(unescape(re.sub("<[^>]*>", " ", text)).split())


def test_scores_have_the_clips_that_they_count() -> None:
    results = [made_result("split1", predictions(15)), made_result("split2", predictions(20))]
    rows = {(row.model, row.score): (row.shares, row.right, row.mean) for row in score_rows(results)}
    assert rows["stage 2", "top-1"] == ((0.75, 1.0), (15, 20), 0.875)
    assert rows["stage 1", "top-1, frames reversed"] == ((0.25, 0.25), (5, 5), 0.25)
    assert rows["stage 2", "top-2"] == ((1.0, 1.0), None, 1.0)
    assert rows["average pooling + linear", "mean class accuracy"] == ((0.25, 0.25), None, 0.25)
    assert next(iter(rows)) == ("stage 2", "top-1") and len(rows) == 2 * 5 + 2


def test_a_top_that_holds_all_classes_has_no_row() -> None:
    scores = {row.score for row in score_rows([made_result("split1", predictions(15, classes=CLASSES[:2]))])}
    assert "top-1" in scores and "top-2" not in scores


def test_clips_that_decode_with_warnings_stand_the_worst_first(tmp_path: Path) -> None:
    lines = ["clip,decoded_count,header_count,corrupt,concealed", "good,9,9,0,0", "unknown,9,0,0,0", "more,9,8,0,0"]
    lines += ["x,9,9,0,1", "y,9,9,1,2", "short,5,9,0,0", "shorter,4,9,0,0"]
    (tmp_path / "counts.csv").write_text("\n".join(lines) + "\n")
    found = [(row.clip, row.decoded, row.header, row.concealed) for row in doubtful_clips(tmp_path / "counts.csv")]
    assert found == [("y", 9, 9, 3), ("x", 9, 9, 1), ("shorter", 4, 9, 0), ("short", 5, 9, 0)]


def test_the_page_of_one_split_with_a_class_that_has_no_clips(folder: Path) -> None:
    write_summary_page([made_result("split1", predictions(15))], NOTHING, folder)
    said = words(folder / "index.html")
    assert "75.0 % of them are classified correctly after stage 2 (the mean of 1 split)" in said
    assert "of 3 classes; chance is 33.3 %" in said
    assert "top-1 75.0 % 75.0 % 15 of 20 top-1, frames reversed 25.0 % 25.0 % 5 of 20" in said
    assert "a 10 80.0 % 80.0 % b 2 b 10 70.0 % 70.0 % a 3 none of it 0 – –" in said  # noqa: RUF001
    assert "b a 3 of 10 30.0 %" in said and "a b 2 of 10 20.0 %" in said
    assert "5 of 20 held-out clips are taken for another class" in said
    assert "There are no pictures" in said and "None: every file" in said


def test_nothing_wrong_and_no_stage_2(folder: Path) -> None:
    write_summary_page([made_result("split1", predictions(20), epochs=0)], NOTHING, folder)
    said = words(folder / "index.html")
    assert "100.0 % of them are classified correctly after stage 1 (stage 2 did not run)" in said
    assert "0 of 20 held-out clips" in said and "These are" not in said and "Most often confused" not in said


@pytest.mark.parametrize(
    ("asked", "said"), [(50, "These are all of them, the"), (2, "These are the 2 that the model is most sure of")]
)
def test_mistakes_are_said_to_be_all_or_some(folder: Path, asked: int, said: str) -> None:
    results = [made_result("split1", predictions(15))]
    found = find_mistakes(results, asked)
    write_summary_page(results, Shown(found, [b"jpeg"] * len(found), asked, [], []), folder)
    text = words(folder / "index.html")
    assert said in text and text.count(", taken for:") == min(asked, 5)
    assert "anyone you give the page to sees the people in them" in text
    first = found[0]
    assert f"Class {first.label} (21.2 %), taken for: {first.top[0][0]} 57.6 %" in text


def test_pictures_of_attention_are_in_the_page_and_small(folder: Path) -> None:
    (folder / "attention").mkdir()
    drawn = [f"a/{number}" for number in range(PICTURES + 3)]
    noise = Image.effect_noise((1900, 900), 90)
    for clip in drawn[1:]:  # of the first one there is none
        noise.save(folder / "attention" / f"{clip.replace('/', '-')}.png", compress_level=0)
    (folder / "attention.csv").write_text("measure,class,before,after\nentropy,,0.9,0.5\nfocus,a,1.0,2.0\n")
    write_summary_page([made_result("split1", predictions(15))], Shown([], [], 0, drawn, []), folder)
    said = words(folder / "index.html")
    assert "entropy all 0.900 0.500 focus a 1.000 2.000" in said
    assert "2 more are in the folder attention" in said and "a/1 " in said and "a/0 " not in said
    sizes = [len(text) for text in re.findall('data:image/jpeg;base64,[^"]+', (folder / "index.html").read_text())]
    assert len(sizes) == PICTURES and max(sizes) < 1_000_000


def test_thousands_of_clips_that_decode_badly_do_not_swell_the_page(folder: Path, tmp_path: Path) -> None:
    rows = "".join(f"clip {number},9,9,0,1\n" for number in range(1000))
    (tmp_path / "counts.csv").write_text("clip,decoded_count,header_count,corrupt,concealed\n" + rows)
    shown = Shown([], [], 0, [], doubtful_clips(tmp_path / "counts.csv"))
    write_summary_page([made_result("split1", predictions(15))], shown, folder)
    said = words(folder / "index.html")
    assert "800 more are in data/frames/counts.csv" in said and said.count("clip 1") < 200
