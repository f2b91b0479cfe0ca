"""params.yaml: every invalid value is refused, and all errors are reported at once."""

from typing import ClassVar, Literal

import pytest
from pydantic import PositiveFloat, PositiveInt, ValidationError

from tavlad.errors import TavladError
from tavlad.params import Processes, Section, Workers, available_cpus, read_yaml


class Bake(Section):
    section: ClassVar[str] = "bake"
    shared: ClassVar[tuple[str, ...]] = ("seed",)
    silent: ClassVar[tuple[str, ...]] = ("oven",)
    minutes: PositiveInt
    heat: PositiveFloat
    oven: Literal["gas", "electric"]
    seed: int


class Kitchen(Section):
    section: ClassVar[str] = "kitchen"
    workers: Workers


class Cooks(Section):
    section: ClassVar[str] = "cooks"
    processes: Processes


GOOD = "seed: 3\nother: 1\nbake:\n  minutes: 4\n  heat: 1e-05\n  oven: gas\n"


def written(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_a_section_with_its_shared_keys(tmp_path):
    params = Bake.load(written(tmp_path, GOOD))
    assert (params.minutes, params.heat, params.oven, params.seed) == (4, 1e-5, "gas", 3)
    with pytest.raises(ValidationError, match="frozen"):
        params.minutes = 5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("minutes: 4", "minutes: four"), "bake.minutes"),
        (("minutes: 4", "minutes: 4.5"), "bake.minutes"),
        (("minutes: 4", "minutes: true"), "bake.minutes"),
        (("minutes: 4", "minutes: -4"), "bake.minutes"),
        (("  minutes: 4\n", ""), "bake.minutes"),
        (("minutes: 4", "minutes: 4\n  hours: 1"), "bake.hours"),
        (("oven: gas", "oven: wood"), "bake.oven"),
        (("seed: 3", "seed: x"), "seed"),
        (("seed: 3\n", ""), "seed"),
        (("bake:", "boil:"), "bake"),
    ],
)
def test_an_invalid_value_is_refused_by_name(tmp_path, change, named):
    with pytest.raises(TavladError, match=named):
        Bake.load(written(tmp_path, GOOD.replace(*change)))


def test_all_errors_are_reported_at_once(tmp_path):
    text = GOOD.replace("minutes: 4", "minutes: x").replace("oven: gas", "oven: 1").replace("seed: 3", "seed: 1.5")
    with pytest.raises(TavladError) as error:
        Bake.load(written(tmp_path, text))
    assert all(name in str(error.value) for name in ("bake.minutes", "bake.oven", "  seed"))


@pytest.mark.parametrize("text", ["a: [1", "", "- 1\n"])
def test_a_file_without_parameters(tmp_path, text):
    with pytest.raises(TavladError, match=r"params\.yaml"):
        read_yaml(written(tmp_path, text))


def test_a_missing_file(tmp_path):
    with pytest.raises(TavladError, match=r"dvc\.yaml"):
        read_yaml(tmp_path / "params.yaml")


@pytest.mark.parametrize(("given", "meant"), [("auto", available_cpus()), ("0", 0), ("7", 7)])
def test_workers_are_the_number_of_cores_or_as_given(tmp_path, given, meant):
    assert Kitchen.load(written(tmp_path, f"kitchen:\n  workers: {given}\n")).workers == meant


@pytest.mark.parametrize("given", ["-1", "1.5", "many", "true", "null"])
def test_an_invalid_number_of_workers_is_refused(tmp_path, given):
    with pytest.raises(TavladError, match=r"kitchen\.workers"):
        Kitchen.load(written(tmp_path, f"kitchen:\n  workers: {given}\n"))


@pytest.mark.parametrize(("given", "meant"), [("auto", "auto"), ("1", 1), ("8", 8)])
def test_so_many_processes_or_as_many_as_there_are_gpus(tmp_path, given, meant):
    assert Cooks.load(written(tmp_path, f"cooks:\n  processes: {given}\n")).processes == meant


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "many", "true", "null", "'2'"])
def test_another_number_of_processes_is_refused(tmp_path, given):
    with pytest.raises(TavladError, match=r"cooks\.processes: .*auto, or a number of at least 1"):
        Cooks.load(written(tmp_path, f"cooks:\n  processes: {given}\n"))
