"""The difference between two runs of the DAG: with other threads, on another processor, on a GPU.

    python -m tests.faults.compare_runs one/folder another/folder

Both are checkouts of the same commit in which `dvc repro` has finished.
"""

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from tavlad.learning.scores import Predictions

PREDICTIONS = {"stage1": "predictions_stage1.h5", "stage2": "predictions.h5"}


def digests(folder: Path) -> dict[str, str]:
    """The digest of each output recorded by DVC, by its path in data/."""
    stages = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    return {out["path"].removeprefix("data/"): out["md5"] for stage in stages.values() for out in stage["outs"]}


@click.command()
@click.argument("one", type=click.Path(exists=True, path_type=Path))
@click.argument("other", type=click.Path(exists=True, path_type=Path))
def main(one: Path, other: Path) -> None:
    """Print which outputs differ between folders ONE and OTHER, and by how much their predictions differ."""
    first, second = digests(one), digests(other)
    same = [name for name in first if first[name] == second.get(name)]
    click.echo(f"the same bytes: {', '.join(same) or 'none'}")
    click.echo(f"other bytes: {', '.join(name for name in first if name not in same) or 'none'}")
    table = Table("split", "after", "accuracy", "", "other class", "logits apart by", "of at most")
    for split in sorted(path.name for path in (one / "data/evaluate").iterdir()):
        for stage, file in PREDICTIONS.items():
            ours, theirs = (Predictions.load(folder / "data/evaluate" / split / file) for folder in (one, other))
            changed = int((ours.logits.argmax(1) != theirs.logits.argmax(1)).sum())
            apart, largest = np.abs(ours.logits - theirs.logits).max(), np.abs(ours.logits).max()
            scores = (f"{ours.top1:.3f}", f"{theirs.top1:.3f}")
            table.add_row(split, stage, *scores, f"{changed} of {len(ours.ids)}", f"{apart:.2g}", f"{largest:.2g}")
    Console().print(table)


if __name__ == "__main__":
    main()
