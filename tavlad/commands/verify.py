"""`tavlad doctor results`: whether the metrics in data/ match the predictions, and the predictions the models."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import click
from safetensors import SafetensorError

from tavlad import console
from tavlad import device as devices
from tavlad.checking.results import Place, distances, foreign, leaks, wrong_counts, wrong_headline, wrong_metrics
from tavlad.data.dag import read_trained_splits
from tavlad.data.listing import Problem
from tavlad.errors import TavladError, gpu_explained
from tavlad.params import read_yaml

DATA = Path("data")
TOLERANCE = 1e-3  # relative to the largest value: another machine stays below it, another model or input does not
UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)  # a file that is missing or malformed
ADVICE = (
    "`dvc status` names what was changed by hand, `dvc checkout --force` restores what DVC recorded, `dvc repro` "
    "recomputes the rest. If only logits are far off, verify on the machine that made them, with as many threads."
)


@click.command(epilog=console.examples("tavlad doctor results --sample 20"))
@click.option(
    "--sample",
    default=5,
    show_default=True,
    type=click.IntRange(min=0),
    help="Held-out clips per split to score again with the models.",
)
def verify(sample: int) -> None:
    """Check metrics against predictions, and these against the models.

    All metrics are recomputed from the saved predictions, and a sample of the predictions from the models.

    The clips and labels of the predictions are compared with the index. The exit code is 0 only if everything matches.
    """
    top, device = _settings()
    splits = read_trained_splits()
    if not any((DATA / "evaluate" / split / "metrics.json").exists() for split in splits):
        raise click.ClickException(f"{DATA / 'evaluate'} contains no metrics.json: run `dvc repro` first.")
    rows: list[Problem] = []
    apart: dict[Place, float] = {}
    for split in console.track(splits, "doctor results", len(splits), "splits"):
        for check in (leaks, foreign, partial(wrong_metrics, top=top)):
            rows += _found(split, partial(check, DATA, split))
        try:
            with gpu_explained("frames"):
                apart |= distances(DATA, split, sample, devices.choose(device))
        except UNREADABLE as error:
            rows.append(_unreadable(split, error))
    for check_all in (wrong_headline, wrong_counts):
        rows += _found("all splits", partial(check_all, DATA, splits))
    rows += [
        (file, f"{what} of {clip} computed again differ by up to {distance:.1e} of their largest value")
        for (file, clip, what), distance in apart.items()
        if not distance <= TOLERANCE
    ]
    if rows:
        raise TavladError(f"doctor results: {DATA} has inconsistent results", list(dict.fromkeys(rows)), ADVICE)
    console.done(f"doctor results: {', '.join(splits)}: all metrics follow from the predictions; {_agreement(apart)}")


def _settings() -> tuple[int, str]:
    """`evaluate.top` and `device` of params.yaml."""
    document = read_yaml("params.yaml")
    try:
        return int(document["evaluate"]["top"]), str(document["device"])
    except (KeyError, TypeError, ValueError):
        message = "params.yaml has no number evaluate.top, or no device: compare with presets/hmdb51.yaml."
        raise click.ClickException(message) from None


def _found(place: str, check: Callable[[], Iterable[Problem]]) -> list[Problem]:
    """The problems found by `check`; if it cannot run, the reason."""
    try:
        return list(check())
    except UNREADABLE as error:
        return [_unreadable(place, error)]


def _unreadable(place: str, error: Exception) -> Problem:
    return place, f"cannot be verified: {console.reason(error)}"


def _agreement(apart: Mapping[Place, float]) -> str:
    """The result of scoring again, as text; warns if not all bits are the same."""
    count, largest = len({clip for _, clip, _ in apart}), max(apart.values(), default=0.0)
    if largest == 0:
        return f"the models reproduce the same bits for {count} held-out clips"
    console.warn(
        f"logits or attention computed again differ by up to {largest:.1e} of the largest value: "
        "another machine, or another number of threads, made the predictions"
    )
    return f"the models reproduce almost the same for {count} held-out clips (within {largest:.1e})"
