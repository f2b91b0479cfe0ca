"""The model card and the labels beside a model: read back by a parser of Markdown, whatever the classes are called."""

import os
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.report.card import Training, literal, write_card
from tests.models import small_model
from tests.names import CLASS

HOSTILE = (
    CLASS,
    "a | b",
    "| |",
    "---",
    "# run",
    "1. jump",
    " <script>alert(1)</script> ",
    "`{frames}` **bold** _it_ [a](b) ![c](d)",
    "https://example.org me@example.org",
    "&amp; &#32; \\| \\",
    "日本 é :dog:",
    "+++",
    "\u00a0run",
)
TRAINING = Training("stage2@split1", 1200, 34, "/home/some|one/weights.pth", {"lr": 1e-05, "train": ["gru", "fc"]})


def card_of(folder: Path, backbone: bool = True, training: Training = TRAINING) -> str:
    sizes = {"frames": 3, "short_side": 80, "crop": 64, "jpeg_quality": 95} if backbone else {}
    model = small_model(len(HOSTILE), 0, backbone)
    folder.mkdir(exist_ok=True)
    save_checkpoint(folder / "model.safetensors", model, Facts(HOSTILE, "auto", "recipe", **sizes))
    write_card(folder, training)
    return (folder / "README.md").read_text(encoding="utf-8")


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each table, as they are shown; AssertionError where one of them is more than text."""
    found: list[list[list[str]]] = []
    for token in (tokens := iter(MarkdownIt("commonmark", {"html": True}).enable("table").parse(text))):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            children = next(tokens).children or []
            assert {child.type for child in children} <= {"text", "text_special"}, children
            found[-1][-1].append("".join(child.content for child in children))
    return found


def test_the_card_shows_every_class_as_it_is_called(tmp_path: Path) -> None:
    text = card_of(tmp_path / "split1")
    settings, classes = tables(text.split("\n---\n", 1)[1])
    assert classes == [["logit", "class"], *([str(number), name] for number, name in enumerate(HOSTILE))]
    shown = dict(settings[1:])
    assert shown["lr"] == "1e-05" and shown["train"] == "['gru', 'fc']" and shown["clusters"] == "4"
    assert shown["network"] == "resnet34" and shown["frames"] == "3" and "classes" not in shown
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert [line.strip("# ") for line in headings[1:]] == ["Use", "Trained on", "Accuracy", "Settings", "Classes"]


def test_labels_are_one_a_line_in_the_order_of_the_logits(tmp_path: Path) -> None:
    card_of(tmp_path / "split1")
    assert (tmp_path / "split1/labels.txt").read_bytes().decode() == "".join(f"{name}\n" for name in HOSTILE)


def test_it_says_what_the_model_was_trained_on_and_no_path_of_the_machine(tmp_path: Path) -> None:
    text = card_of(tmp_path / "split1")
    assert "1,200 clips, the training part of split1; 34 others chose the epoch" in text
    assert "had these weights: weights\\.pth." in text and "/home" not in text and str(tmp_path) not in text
    assert "# TA-VLAD, stage 2 of split1" in text
    assert "3 frames of each clip, scaled to a short side of 80 pixels and cropped to the middle 64." in text


def test_a_model_of_stage_1_is_not_offered_for_videos(tmp_path: Path) -> None:
    text = card_of(tmp_path / "split1", False, Training("stage1@split3", 7, 0, "imagenet", {}))
    assert "forward_maps(maps)" in text and "--model ." not in text
    assert "training part of split3; the last epoch is kept" in text
    assert "frames" not in dict(tables(text.split("\n---\n", 1)[1])[0])


def test_the_same_training_writes_the_same_bytes_and_leaves_links_alone(tmp_path: Path) -> None:
    card_of(tmp_path / "one")
    kept = {name: (tmp_path / "one" / name).read_bytes() for name in ("README.md", "labels.txt")}
    for name in kept:
        os.link(tmp_path / "one" / name, tmp_path / name)  # as DVC's cache holds them, read-only
        (tmp_path / name).chmod(0o444)
    card_of(tmp_path / "one", training=Training("stage2@split2", 1, 0, "random", {}))
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept
    assert (tmp_path / "one/README.md").read_bytes() != kept["README.md"]
    card_of(tmp_path / "one")
    assert {name: (tmp_path / "one" / name).read_bytes() for name in kept} == kept


@pytest.mark.parametrize("text", ["", " ", "  a  b ", "\u2003a"])
def test_spaces_stay(text: str) -> None:
    ((_, (cell, _)),) = tables(f"| a | b |\n|---|---|\n| {literal(text)} | c |\n")
    assert cell == text
