"""experiments.yaml: the variants, and the experiments that run them with several seeds."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from tavlad.errors import InputError
from tavlad.params import read_yaml

SEED = "seed"
GRID_LETTERS = {"clusters": "k", "hidden": "d"}


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Variant(_Checked):
    """The keys that a variant changes in `base`, a display title, and the paper's accuracy in percent, if any."""

    set: dict[str, Any]
    label: str = ""
    paper: float | None = None


class Experiment(_Checked):
    """Named variants, or a grid over parameters, each with every seed; `compare` pairs variants, better one first."""

    title: str
    seeds: list[int] = Field(min_length=1)
    variants: list[str] = []
    grid: dict[str, list[int]] = {}
    compare: list[list[str]] = []


class Plan(_Checked):
    """The contents of experiments.yaml."""

    base: dict[str, Any]
    variants: dict[str, Variant]
    experiments: dict[str, Experiment]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, experiment in self.experiments.items():
            named = {*experiment.variants, *(one for pair in experiment.compare for one in pair)}
            if unknown := sorted(named - self.variants.keys()):
                raise ValueError(f"experiment {name} names unknown variants: {', '.join(unknown)}")
            if bool(experiment.variants) == bool(experiment.grid):
                raise ValueError(f"experiment {name} needs either variants or a grid")
        return self


@dataclass(frozen=True)
class Run:
    """One `dvc exp run`: its name, variant and seed, and the parameters that it sets."""

    name: str
    variant: str
    seed: int
    stage1: bool
    settings: dict[str, Any]

    @property
    def overrides(self) -> list[str]:
        """The arguments of `-S`."""
        return [f"{key}={value}" for key, value in self.settings.items()]


def read_plan(path: Path | str = "experiments.yaml") -> Plan:
    """The validated plan; InputError naming all problems."""
    try:
        return Plan.model_validate(read_yaml(path))
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise InputError("\n".join([f"{path}:", *lines])) from None


def runs(plan: Plan, experiment: Experiment, seeds: Sequence[int] = (), stage1: bool = False) -> list[Run]:
    """All runs of `experiment`, seed by seed; `seeds` replaces its own; `stage1` sets stage 2 to 0 epochs."""
    found = []
    for seed in seeds or experiment.seeds:
        for variant, settings in variants(plan, experiment):
            name = f"{variant}-seed{seed}" + ("-stage1" if stage1 else "")
            every = {**plan.base, **settings, SEED: seed} | ({"stage2.epochs": 0} if stage1 else {})
            found.append(Run(name, variant, seed, stage1, every))
    return found


def run_named(plan: Plan, name: str) -> Run | None:
    """The run with this name, for any seed; None if no experiment of `plan` has such a run."""
    found = re.fullmatch(r"(.+)-seed(\d+)(-stage1)?", name)
    known = {variant for experiment in plan.experiments.values() for variant, _ in variants(plan, experiment)}
    if found is None or found[1] not in known:
        return None
    return Run(name, found[1], int(found[2]), found[3] is not None, {})


def variants(plan: Plan, experiment: Experiment) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each variant, or grid cell, and what it changes in `base`."""
    for name in experiment.variants:
        yield name, plan.variants[name].set
    if experiment.grid:
        for values in product(*experiment.grid.values()):
            cell = dict(zip(experiment.grid, values, strict=True))
            yield "-".join(f"{GRID_LETTERS.get(key, key)}{value}" for key, value in cell.items()), cell
