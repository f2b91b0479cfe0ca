"""The numbers that a check needs: those of the stages, read as the stages read them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tavlad.params import read_yaml

if TYPE_CHECKING:  # the wheel holds no pipeline: `tavlad predict` must start without it
    from pipeline import codebook, dataset, decode, extract, index, stage1, stage2


@dataclass(frozen=True)
class Settings:
    """The sections of ./params.yaml, each checked by its stage; `model` are the settings of `TAVLAD`."""

    dataset: "dataset.Dataset"
    index: "index.Parameters"
    decode: "decode.Parameters"
    extract: "extract.Parameters"
    codebook: "codebook.Parameters"
    stage1: "stage1.Parameters"
    stage2: "stage2.Parameters"
    model: dict[str, Any]

    @classmethod
    def load(cls) -> "Settings":
        """Read and check ./params.yaml by way of ./pipeline; a `ClickException` says what is wrong, or where to run."""
        read_yaml("params.yaml")  # says so if this is the wrong folder, before an import does
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)  # as `python -m pipeline.decode` has it, which a console script has not
        try:
            from pipeline import check, codebook, dataset, decode, extract, index, stage1, stage2
        except ModuleNotFoundError as error:
            if error.name != "pipeline":
                raise
            raise click.ClickException("pipeline/ is missing: run from the folder that holds dvc.yaml.") from None
        check.check()
        first = stage1.Parameters.load()
        return cls(
            dataset.Dataset.load(),
            index.Parameters.load(),
            decode.Parameters.load(),
            extract.Parameters.load(),
            codebook.Parameters.load(),
            first,
            stage2.Parameters.load(),
            first.model_dump(include={*stage1.MODEL, "dropout"}),
        )
