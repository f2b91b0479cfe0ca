"""`tavlad experiment`: run the experiments of experiments.yaml by name, and report on all that ran."""

import shlex
from pathlib import Path

import click

from tavlad import console
from tavlad.experiments import queue
from tavlad.experiments.outcomes import read_outcome
from tavlad.experiments.page import write_report
from tavlad.experiments.plan import Plan, read_plan, run_named, runs
from tavlad.params import read_yaml
from tavlad.store.store import Store


class Experiments(click.Group):
    """One command per experiment in experiments.yaml, beside the fixed ones."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The experiments in the order of the file, then `report`."""
        return [*read_plan().experiments, *super().list_commands(context)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The fixed command with that name, or the one that runs the experiment."""
        if fixed := super().get_command(context, name):
            return fixed
        plan = read_plan()
        return _runner(plan, name) if name in plan.experiments else None


@click.group(
    "experiment",
    cls=Experiments,
    epilog=console.examples(
        "tavlad experiment fig4", "tavlad experiment ablations --stage1", "tavlad experiment report"
    ),
)
def experiment() -> None:
    """Run an experiment through DVC's queue, or report on all.

    The experiments are those of experiments.yaml, on the current data set.
    """


def _runner(plan: Plan, name: str) -> click.Command:
    chosen, example = plan.experiments[name], f"tavlad experiment {shlex.quote(name)} --stage1 --jobs 2"

    # with `short_help`, as click would cut the title at its first full stop: "Ablations (Fig."
    @click.command(
        short_help=chosen.title,
        help=f"{chosen.title}. Runs that already succeeded on this commit are not repeated.",
        epilog=console.examples(example),
    )
    @click.option("--seeds", default="", help="E.g. 1,2,3, instead of those in experiments.yaml.")
    @click.option("--stage1", is_flag=True, help="Stop after stage 1; names then end in -stage1.")
    @click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Parallel runs.")
    @click.option("--queue-only", is_flag=True, help="Only queue the runs; `dvc queue start` starts them.")
    def command(seeds: str, stage1: bool, jobs: int, queue_only: bool) -> None:
        wanted = runs(plan, chosen, _numbers(seeds), stage1)
        if dead := queue.fail_dead():
            console.done(f"interrupted, to be run again: {', '.join(dead)}")
        known = queue.states()
        lacking = queue.missing(wanted, known)
        queue.enqueue(lacking)
        if not queue_only:
            queue.work([run for run in wanted if known.get(run.name) != "Success"], jobs)
        ready = len(wanted) - len(lacking)
        console.done(f"{console.quantity(len(wanted), 'run')}: {ready} done or under way before, {len(lacking)} new")

    return command


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise click.ClickException(f"--seeds takes integers separated by commas, not '{text}'") from None


@experiment.command(epilog=console.examples("tavlad experiment report -o report"))
@click.option("-o", "--output", default="report", show_default=True, type=click.Path(file_okay=False, path_type=Path))
def report(output: Path) -> None:
    """Write index.html with its pictures, and tables.md, on the experiments of this commit."""
    plan, revisions = read_plan(), queue.revisions()
    ran = [run for name in revisions if (run := run_named(plan, name))]
    if not ran:
        raise click.ClickException("no experiment of this commit has succeeded yet: run `tavlad experiment fig4` first")
    timings = Store.open().root / "timings.jsonl"
    reading = console.track(ran, "report", len(ran), "runs")
    outcomes = [read_outcome(run, revisions[run.name], timings) for run in reading]
    shown = write_report(plan, outcomes, str(read_yaml("params.yaml")["dataset"]["root"]), output)
    console.done(f"{output}/index.html: {', '.join(shown)}, from {console.quantity(len(ran), 'run')}")
