"""Stage `summary`: all splits in one place, and the metrics file that experiments are compared by."""

import time
from pathlib import Path
from typing import ClassVar

import click
from pydantic import NonNegativeInt, PositiveInt

from pipeline.code import own_code
from tavlad import console
from tavlad.params import Section
from tavlad.store.making import fresh
from tavlad.store.store import Store


class Parameters(Section):
    """Section `summary`: the held-out `clips` whose attention is drawn (if empty, the first of each class), and the
    number of `mistakes` on the page."""

    section: ClassVar[str] = "summary"
    shared: ClassVar[tuple[str, ...]] = ("crop",)
    crop: PositiveInt
    clips: list[str]
    mistakes: NonNegativeInt


@click.command()
@own_code
@click.argument("evaluate", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("stage1", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("stage2", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("frames", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.argument("metrics", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--split", "splits", multiple=True, required=True)
def main(
    evaluate: Path, stage1: Path, stage2: Path, frames: Path, output: Path, metrics: Path, splits: tuple[str, ...]
) -> None:
    """Summarise the --splits, folders in EVALUATE, STAGE1 and STAGE2: a page, tables and plots to OUTPUT, top-1 to
    METRICS.

    The attention before and after stage 2 is drawn over frames from FRAMES.
    """
    from tavlad.report.attention import choose_clips, draw_clips, write_attention
    from tavlad.report.classes import write_class_table
    from tavlad.report.evaluation import write_json
    from tavlad.report.mistakes import find_mistakes, picture_mistakes
    from tavlad.report.plots import draw_plots
    from tavlad.report.results import read_results, warnings_of
    from tavlad.report.summary import class_line, headline, headline_line, print_table, write_comparison
    from tavlad.report.summary_page import Shown, doubtful_clips, write_summary_page

    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    with store.output("summary", output):
        results = read_results(evaluate, stage1, stage2, splits)
        chosen = choose_clips(results, params.clips, frames)
        fresh(output)
        draw_clips(chosen, evaluate, frames, params.crop, output / "attention")
        write_attention(results, output / "attention.csv")
        write_class_table(results, output / "classes.csv")
        write_comparison(results, output / "comparison.csv")
        draw_plots(results, output)
        mistakes = find_mistakes(results, params.mistakes)
        pictures = picture_mistakes(mistakes, evaluate, frames, params.crop)
        doubtful = doubtful_clips(frames / "counts.csv")
        write_summary_page(results, Shown(mistakes, pictures, params.mistakes, list(chosen), doubtful), output)
        doubts = warnings_of(results)
        (output / "warnings.txt").write_text("".join(f"{line}\n" for line in doubts), encoding="utf-8", newline="\n")
        numbers = headline(results)
        write_json(numbers, metrics)
        store.record("summary", {"seconds": time.monotonic() - started})
    print_table(results)
    for line in doubts:
        console.warn(line)
    console.done(f"summary: {headline_line(numbers)}; {class_line(results)}")


if __name__ == "__main__":
    main()
