"""What params.yaml may not say, refused by name."""

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from pipeline import index
from pipeline.check import changed, check_params, check_splits, main
from pipeline.code import STAGES, digest_of
from tavlad.data.dag import read_trained_splits
from tavlad.data.table import SPLITS
from tavlad.errors import TavladError

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
        ({"engine": "ray", "ray.gpus": 1.0, "device": "cpu"}, ["ray.gpus", "device: cpu"]),
        ({"engine": "ray", "device": "cuda"}, ["ray.gpus", "needs GPUs"]),
        ({"engine": "spark", "ray.cpus": 0}, ["engine", "ray.cpus"]),
        ({"ray.address": "ray://head:10001"}, ["ray.address"]),
        ({"atention": "none"}, ["atention", "no stage reads it"]),
        ({"stage2.train": ["layer5"], "stage1.lr": -1.0}, ["stage2.train.0", "stage1.lr"]),
    ],
)
def test_everything_wrong_is_named(tmp_path: Path, changes: dict, named: list[str]) -> None:
    with pytest.raises(TavladError) as error:
        check_params(write(tmp_path / "params.yaml", changes))
    assert all(words in str(error.value) for words in named), str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pooling": "avg", "attention": "none", "temporal": "sum"},
        {"attention": "none"},
        {"attention": "decoupled", "stage2.train": ["fc", "vlad"]},
        {"temporal": "sum", "assignment": "hard"},
        {"stage2.epochs": 0},
        {"engine": "ray", "ray.address": "10.0.0.1:6379", "ray.cpus": 4, "ray.gpus": 0.5},
    ],
)
def test_what_goes_together_is_let_through(tmp_path: Path, changes: dict) -> None:
    check_params(write(tmp_path / "params.yaml", changes))


@pytest.mark.parametrize("preset", ["hmdb51", "ucf101"])
def test_presets_are_let_through(preset: str) -> None:
    check_params(ROOT / "presets" / f"{preset}.yaml")


def test_the_digests_are_those_of_the_code_whatever_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen = set()
    for clusters in (8, 16):
        write(tmp_path / "params.yaml", {"clusters": clusters})
        done = CliRunner().invoke(main, ["data/code", "--split", "split1", "--split", "split2"])
        assert done.exit_code == 0 and "no stage's code has changed" in done.stdout
        seen.add(tuple(Path(f"data/code/{stage}.txt").read_text() for stage in STAGES))
    assert seen == {tuple(f"{digest_of(stage)}\n" for stage in STAGES)}  # nothing is stale for having been checked


def test_stages_whose_code_changed_since_they_ran_are_named(tmp_path: Path) -> None:
    for stage in STAGES:
        (tmp_path / f"{stage}.txt").write_text(f"{stage}\n")
    dep = {"path": f"{tmp_path}/stage1.txt", "md5": hashlib.md5(b"stage1\n").hexdigest()}
    lock = {
        "stages": {"stage1@split1": {"deps": [dep]}, "index": {"deps": [{"path": f"{tmp_path}/index.txt", "md5": "0"}]}}
    }
    YAML().dump(lock, tmp_path / "dvc.lock")
    assert changed(tmp_path, tmp_path / "dvc.lock") == ["index"]
    assert changed(tmp_path, tmp_path / "none.lock") == []


@pytest.mark.parametrize("written", ["0" * 64, "", None])
def test_a_stage_that_would_run_other_code_stops(tmp_path: Path, written: str | None) -> None:
    file = tmp_path / "index.txt"
    if written is not None:
        file.write_text(written)
    done = CliRunner().invoke(index.main, [str(file), "out"])
    assert done.exit_code == 1 and done.output.count("\n") == 1
    assert "the code of stage index does not match" in done.output and "Run `dvc repro`" in done.output


@pytest.mark.parametrize("name", ["split 1", "a;b", "Split1", "$x", "", "é"])
def test_a_split_that_is_no_plain_word_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(TavladError, match="split names must be lower-case letters and digits"):
        check_splits(["split1", name], "folders", tmp_path)


DAG = """\
# a remark
vars:
  - other: 1
  - splits: {split: [split1, split4, split9]} # all three
"""


def test_a_split_that_the_layout_has_not_is_refused_with_the_line_to_change(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text(DAG)
    trained = read_trained_splits(file)
    with pytest.raises(TavladError) as caught:
        check_splits(trained, "folders", tmp_path, file)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(f"split1, split2, split3: change line 4 of {file} to")
    assert lines[0].startswith(f"split4, split9 of {file} are not among the splits of this layout")
    assert lines[1] == "  - splits: {split: [split1]}"
    file.write_text("vars:\n" + lines[1])
    check_splits(read_trained_splits(file), "folders", tmp_path, file)


@pytest.mark.parametrize(
    "text", ["", "vars: []", "vars: [{split: [split1]}]", "vars: [{splits: {split: []}}]", "vars: 3", "vars: ["]
)
def test_a_dag_without_splits_says_how_they_are_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(TavladError, match=r"name no splits. Write them as\n  - splits: {split: \[split1\]}"):
        read_trained_splits(tmp_path / "dvc.yaml")


def test_the_dag_that_is_shipped_trains_the_splits_of_the_demo() -> None:
    assert read_trained_splits(ROOT / "dvc.yaml") == list(SPLITS)


def test_of_a_table_its_columns_say_which_splits_there_are(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text("vars:\n  - splits: {split: [split1, split2, split3]}\n")
    trained = read_trained_splits(file)
    check_splits(trained, "csv", tmp_path, file)  # labels.csv may be made by a stage yet to come
    (tmp_path / "labels.csv").write_text("path,label\n")
    check_splits(trained, "csv", tmp_path, file)
    (tmp_path / "labels.csv").write_text("path,label,split\n")
    with pytest.raises(TavladError, match=r"split2, split3 of .* are not among the splits of this layout, split1: "):
        check_splits(trained, "csv", tmp_path, file)
