"""What params.yaml may not say, refused by name."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from pipeline.params import check, check_splits, main

ROOT = Path(__file__).parents[2]


def write(path: Path, changes: dict) -> Path:
    yaml = YAML()
    document = yaml.load(ROOT / "params.yaml")
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (document[section] if section else document)[name] = value
    yaml.dump(document, path)
    return path


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"crop": 256}, ["crop", "short side of 128"]),
        ({"codebook.descriptors": 10}, ["codebook.descriptors", "64 clusters"]),
        ({"stage2.micro_batch": 32}, ["stage2.micro_batch", "stage2.batch, 16"]),
        ({"pooling": "avg"}, ["set attention: none", "set temporal: sum"]),
        ({"pooling": "avg", "attention": "none", "temporal": "sum", "assignment": "hard"}, ["leave assignment: soft"]),
        ({"attention": "none", "stage2.train": ["fc"]}, ["stage2.train", "no fc"]),
        ({"temporal": "sum", "attention": "decoupled", "stage2.train": ["gru", "fc"]}, ["no fc and no gru"]),
        ({"atention": "none"}, ["atention", "no stage reads it"]),
        ({"stage2.train": ["layer5"], "stage1.lr": -1.0}, ["stage2.train.0", "stage1.lr"]),
    ],
)
def test_everything_wrong_is_named(tmp_path: Path, changes: dict, named: list[str]) -> None:
    with pytest.raises(click.ClickException) as error:
        check(write(tmp_path / "params.yaml", changes))
    assert all(words in error.value.message for words in named), error.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pooling": "avg", "attention": "none", "temporal": "sum"},
        {"attention": "none"},
        {"attention": "decoupled", "stage2.train": ["fc", "vlad"]},
        {"temporal": "sum", "assignment": "hard"},
        {"stage2.epochs": 0},
    ],
)
def test_what_goes_together_is_let_through(tmp_path: Path, changes: dict) -> None:
    check(write(tmp_path / "params.yaml", changes))


@pytest.mark.parametrize("preset", ["hmdb51", "ucf101"])
def test_presets_are_let_through(preset: str) -> None:
    check(ROOT / "presets" / f"{preset}.yaml")


def test_the_output_says_the_same_whatever_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen = set()
    Path("dvc.yaml").write_text("vars: [{split: [split1, split2]}]\n")
    for clusters in (8, 16):
        write(tmp_path / "params.yaml", {"clusters": clusters})
        assert CliRunner().invoke(main, ["data/params.txt"]).exit_code == 0
        seen.add(Path("data/params.txt").read_bytes())
    assert len(seen) == 1  # so that nothing is stale for having been checked


@pytest.mark.parametrize("name", ["split 1", "a;b", "Split1", "$x", "", "é"])
def test_a_split_that_is_no_plain_word_is_named(tmp_path: Path, name: str) -> None:
    check_splits(ROOT / "dvc.yaml")
    YAML().dump({"vars": [{"split": ["split1", name]}]}, tmp_path / "dvc.yaml")
    with pytest.raises(click.ClickException, match="small letters and digits alone, not"):
        check_splits(tmp_path / "dvc.yaml")
