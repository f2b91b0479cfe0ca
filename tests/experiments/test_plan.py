"""experiments.yaml, read and turned into runs."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.check import check_params
from tavlad.errors import TavladError
from tavlad.experiments.plan import read_plan, run_named, runs

ROOT = Path(__file__).parents[2]
SMALL = """
base: {temporal: gru}
variants:
  a: {set: {}, paper: 50.0}
  b: {set: {temporal: sum, hidden: 8}}
experiments:
  one: {title: One, variants: [a, b], seeds: [1, 2], compare: [[b, a]]}
  two: {title: Two, grid: {clusters: [4, 8], hidden: [16]}, seeds: [3]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "experiments.yaml").write_text(SMALL)
    return tmp_path / "experiments.yaml"


def test_every_variant_runs_with_every_seed_and_says_all_that_it_sets(file: Path) -> None:
    plan = read_plan(file)
    made = {run.name: run.overrides for run in runs(plan, plan.experiments["one"])}
    assert made == {
        "a-seed1": ["temporal=gru", "seed=1"],
        "b-seed1": ["temporal=sum", "hidden=8", "seed=1"],
        "a-seed2": ["temporal=gru", "seed=2"],
        "b-seed2": ["temporal=sum", "hidden=8", "seed=2"],
    }


def test_a_grid_runs_every_cell_and_stage_1_alone_says_so_in_its_name(file: Path) -> None:
    plan = read_plan(file)
    made = {run.name: run.overrides for run in runs(plan, plan.experiments["two"], [7], stage1=True)}
    assert made == {
        "k4-d16-seed7-stage1": ["temporal=gru", "clusters=4", "hidden=16", "seed=7", "stage2.epochs=0"],
        "k8-d16-seed7-stage1": ["temporal=gru", "clusters=8", "hidden=16", "seed=7", "stage2.epochs=0"],
    }


def test_runs_are_known_by_their_names(file: Path) -> None:
    plan = read_plan(file)
    for experiment in plan.experiments.values():
        for stage1 in (False, True):
            for run in runs(plan, experiment, [1, 12], stage1):
                found = run_named(plan, run.name)
                assert found and (found.variant, found.seed, found.stage1) == (run.variant, run.seed, stage1)
    assert run_named(plan, "c-seed1") is None and run_named(plan, "noisy-name") is None


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[a, b]", "[a, c]", "experiment one names unknown variants: c"),
        ("[[b, a]]", "[[d, a]]", "unknown variants: d"),
        ("paper: 50.0", "papre: 50.0", "variants.a.papre"),
        ("grid: {clusters: [4, 8], hidden: [16]}, ", "", "experiment two needs either variants or a grid"),
    ],
)
def test_what_is_wrong_is_named(file: Path, before: str, after: str, words: str) -> None:
    file.write_text(SMALL.replace(before, after))
    with pytest.raises(TavladError) as error:
        read_plan(file)
    assert words in str(error.value)


@pytest.mark.parametrize("params", ["params.yaml", "presets/hmdb51.yaml", "presets/ucf101.yaml"])
def test_every_run_of_the_project_goes_with_every_preset(tmp_path: Path, params: str) -> None:
    plan, yaml = read_plan(ROOT / "experiments.yaml"), YAML()
    settings = {run.name: run.settings for chosen in plan.experiments.values() for run in runs(plan, chosen)}
    for values in settings.values():
        document = yaml.load(ROOT / params)
        assert values.keys() <= document.keys()
        document.update(values)
        yaml.dump(document, tmp_path / "params.yaml")
        check_params(tmp_path / "params.yaml")


def test_the_papers_numbers_are_those_of_the_paper() -> None:
    paper = {name: variant.paper for name, variant in read_plan(ROOT / "experiments.yaml").variants.items()}
    assert {name: value for name, value in paper.items() if value} == {
        "action-vlad": 53.1,
        "vlad-gru": 54.7,
        "ta-action-vlad": 54.8,
        "ta-vlad": 56.1,
        "bigru": 57.3,
        "bigru-128": 56.0,
        "decoupled": 55.3,
        "gru-flat": 47.6,
        "gru-separate": 47.8,
    }
