"""Stage summary: all splits in one place, and the one metrics file that experiments are compared by."""

import time
from pathlib import Path

import click
from rich.console import Console

from tavlad import console
from tavlad.report.cautions import cautions
from tavlad.report.curves import draw_curves
from tavlad.report.metrics import write_json
from tavlad.report.results import read_results
from tavlad.report.summary import headline, headline_line, table, write_classes
from tavlad.store import Store, fresh


@click.command()
@click.argument("evaluate", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("stage1", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("stage2", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.argument("metrics", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("splits", nargs=-1, required=True)
def main(evaluate: Path, stage1: Path, stage2: Path, output: Path, metrics: Path, splits: tuple[str, ...]) -> None:
    """Sum up SPLITS, each a folder below EVALUATE, STAGE1 and STAGE2: tables and curves to OUTPUT, top-1 to METRICS."""
    store, started = Store.open(), time.monotonic()
    with store.lock("summary"):
        results = read_results(evaluate, stage1, stage2, splits)
        fresh(output)
        write_classes(results, output / "classes.csv")
        draw_curves(results, output / "curves.png")
        doubts = cautions(results)
        (output / "warnings.txt").write_text("".join(f"{line}\n" for line in doubts), encoding="utf-8", newline="\n")
        numbers = headline(results)
        write_json(numbers, metrics)
        store.record("summary", {"seconds": time.monotonic() - started})
    Console().print(table(results))
    for line in doubts:
        console.warn(line)
    console.done(f"summary: {headline_line(numbers)}")


if __name__ == "__main__":
    main()
