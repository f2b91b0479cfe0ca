"""params.yaml and the presets hold the same keys, valid for every stage, and the presets the paper's values."""

import importlib
from pathlib import Path

import pytest

from tavlad.params import Section, read_yaml

ROOT = Path(__file__).parents[1]
PAPER = [ROOT / "presets" / "hmdb51.yaml", ROOT / "presets" / "ucf101.yaml"]
SMALL = [ROOT / "params.yaml", ROOT / "presets" / "lite.yaml"]
FILES = [*SMALL, *PAPER]


def sections():
    for path in sorted((ROOT / "pipeline").glob("[a-z]*.py")):
        for value in vars(importlib.import_module(f"pipeline.{path.stem}")).values():
            if isinstance(value, type) and issubclass(value, Section) and "section" in vars(value):
                yield value


def keys(document, prefix=""):
    for key, value in document.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_stage_can_read_it(file):
    for section in sections():
        section.load(file)


@pytest.mark.parametrize("file", FILES[1:], ids=lambda file: file.name)
def test_the_keys_are_those_of_the_demo_in_the_same_order(file):
    assert list(keys(read_yaml(file))) == list(keys(read_yaml(FILES[0])))


def test_no_key_is_without_a_reader():
    top = {name for section in sections() for name in (*section.shared, section.section)}
    assert top == set(read_yaml(FILES[0]))


@pytest.mark.parametrize("file", PAPER, ids=lambda file: file.name)
def test_the_paper(file):
    paper = read_yaml(file)
    top = ("frames", "short_side", "crop", "clusters", "hidden", "alpha", "attention", "attention_scale", "temporal")
    assert [paper[key] for key in top] == [25, 256, 224, 64, 256, 1000.0, "joint", 1, "gru"]
    procedure = ("epochs", "lr", "halve_every", "batch", "dropout", "eps", "weight_decay", "clip")
    assert [paper["stage1"][key] for key in procedure] == [30, 1e-2, 5, 16, 0.5, 1e-8, 0.0, 5.0]
    assert [paper["stage2"][key] for key in procedure] == [30, 1e-4, 8, 16, 0.5, 1e-8, 0.0, 5.0]
    assert paper["stage2"]["lr_head"] == 1e-4 and paper["stage2"]["augment"] is True
    assert paper["backbone"]["weights"] == "imagenet" and paper["dataset"]["validation"] == 0.0


@pytest.mark.parametrize("file", SMALL, ids=lambda file: file.name)
def test_each_value_that_differs_from_the_paper_has_a_reason(file):
    demo, paper = read_yaml(file), read_yaml(PAPER[0])
    lines = file.read_text().splitlines()
    section = ""
    for line in lines:
        name, colon, rest = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        section = section if line.startswith(" ") else ""
        values = [document[section] if section else document for document in (demo, paper)]
        key = name.strip()
        if not rest.split("#")[0].strip():
            section = key
        elif values[0][key] != values[1][key]:
            assert "#" in rest, f"{section}.{key} differs from the presets without a reason"
