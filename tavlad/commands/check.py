"""`tavlad doctor data`: whether a data set is complete and decodes, and what training on it will cost."""

import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch

from tavlad import console
from tavlad import device as devices
from tavlad.checking.cost import measure, samples
from tavlad.checking.dataset import Inventory, layout_of, take
from tavlad.checking.decoding import verdicts
from tavlad.checking.estimate import Cost, Estimate, Settings, Work, estimates, rough, weight
from tavlad.data import dag
from tavlad.data.balance import counted, imbalance
from tavlad.data.indexing import LAYOUTS
from tavlad.data.listing import Problem
from tavlad.data.selection import Rules
from tavlad.data.table import SPLITS
from tavlad.errors import TavladError, gpu_explained
from tavlad.features.extraction import clip_maps, folded_backbone
from tavlad.features.views import centre_view
from tavlad.features.weights import random_weights
from tavlad.model.precision import DTYPES
from tavlad.store.store import Store
from tavlad.video.batch import Tolerance
from tavlad.video.decode import Limits

MEASURED = 3  # clips to measure on
NAMED = 20  # files listed per kind of problem
ROUNDS = 3  # of measuring each precision in turn; the best counts
CLEARLY = 1.1  # how many times faster a precision must be to be recommended
ADVICE = (
    "Unpack these files again (docs/reproducing.md), or repair them. To go on without some of your clips, name their "
    "ids under dataset.exclude in params.yaml."
)


@click.command(epilog=console.examples("tavlad doctor data data/raw"))
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--all", "every", is_flag=True, help=f"List every file, not only the first {NAMED} of a kind.")
def check(folder: Path, every: bool) -> None:
    """Check that the data set in DIR is complete and decodes.

    DIR is an HMDB51, a UCF101 or a folder of your own clips. Every clip is decoded. The disk space and time that
    training will take are measured on three of them, with the sizes in ./params.yaml. Nothing is written to DIR. The
    exit code is 0 only if nothing is missing and every clip decodes.
    """
    settings = Settings.load()
    inventory = _inventory(folder, settings)
    _print_counts(folder, inventory)
    bad, damaged = _decoded(folder, inventory, settings)
    _remark(folder, inventory, damaged, settings, every)
    good = sorted(set(inventory.present) - {name for name, _ in bad})
    problems = [*inventory.problems, *_cost(folder, good, inventory, settings)]
    gone = [(name, "is listed, but the file is missing") for name in inventory.missing]
    if rows := [*problems, *_cut(gone, every), *_cut(bad, every)]:
        title = f"doctor data: {folder} is not a complete {inventory.title}: "
        title += f"{console.quantity(len(gone), 'clip')} missing, {len(bad):,} not decodable, "
        title += console.quantity(len(problems), "other problem")
        raise TavladError(title, rows, ADVICE)
    console.done(f"doctor data: {folder} is a complete {inventory.title}; all {len(good):,} clips decode")


def _inventory(folder: Path, settings: Settings) -> Inventory:
    layout, dataset, seed = layout_of(folder), settings.dataset, settings.index.seed
    if dataset.layout != layout:  # these rules belong to another data set
        return take(folder, layout, Rules(seed))
    return take(folder, layout, dataset.rules(seed))


def _decoded(folder: Path, inventory: Inventory, settings: Settings) -> tuple[list[Problem], list[str]]:
    numbers = settings.decode
    limits = Limits(numbers.workers, numbers.deadline, numbers.memory)
    tolerance = Tolerance(numbers.min_frames, numbers.tolerance, numbers.damage)
    names, entries = inventory.present, inventory.entries
    return verdicts(folder, names, numbers.frames, numbers.short_side, tolerance, limits, entries)


def _print_counts(folder: Path, inventory: Inventory) -> None:
    rows = []
    for name, found, right in inventory.rows():
        style = "" if right is None or found == right else "red"
        rows.append(console.Row((name, f"{found:,}", "-" if right is None else f"{right:,}"), style))
    console.table(f"{folder}: {inventory.title}", ("", "found", "official"), rows)


def _remark(folder: Path, inventory: Inventory, damaged: list[str], settings: Settings, every: bool) -> None:
    """Print what does not prevent a run, but the user should know."""
    if inventory.summary:
        console.done(f"stage index would say: {inventory.summary}")
    if uneven := imbalance(counted(inventory.labels.values())):
        console.warn(uneven)
    kinds = (
        (inventory.extra, "video", "not in any list, hence not used"),
        (damaged, "clip", "with errors that the decoder conceals"),
    )
    for names, noun, what in kinds:
        if names:
            shown = names if every else names[:NAMED]
            more = f", and {len(names) - len(shown):,} more (--all)" if len(shown) < len(names) else ""
            console.warn(f"{console.quantity(len(names), noun)} {what}: {', '.join(shown)}{more}")
    if settings.dataset.layout != inventory.layout or Path(settings.dataset.root).resolve() != folder.resolve():
        console.warn(
            f"params.yaml names another data set: before `dvc repro`, set dataset.root to {folder} "
            f"and dataset.layout to {inventory.layout}"
        )
    trained = dag.read_trained_splits() if Path(dag.FILE).exists() else []
    if words := dag.to_change(trained, LAYOUTS[inventory.layout].splits(folder)):
        console.warn(f"before `dvc repro`: {words}")


def _cost(folder: Path, good: Sequence[str], inventory: Inventory, settings: Settings) -> list[Problem]:
    """Measure and print disk and time; return the reason if they cannot be measured."""
    if not good or not inventory.splits:
        return [(str(folder), "no clip decodes, or there are no splits: disk and time were not estimated")]
    chosen = samples(folder, [good[len(good) * (2 * i + 1) // (2 * MEASURED)] for i in range(MEASURED)], inventory)
    click.echo(f"measuring disk and time on {MEASURED} clips; on a CPU this takes a minute or two", err=True)
    try:
        with gpu_explained("extract.batch, stage1.batch and stage2.micro_batch"):
            cost = measure(chosen, inventory.copies * len(inventory.classes), settings)
            rates = _network_rates(settings)
    except (RuntimeError, ValueError, TavladError) as error:
        return [("params.yaml", f"disk and time cannot be measured: {error}")]
    except Exception as error:  # the results so far took hours to compute
        traceback.print_exc()
        return [(str(folder), f"disk and time cannot be measured: {console.reason(error)}")]
    trained = dag.read_trained_splits() if Path(dag.FILE).exists() else SPLITS
    splits = [split for name, split in zip(SPLITS, inventory.splits, strict=False) if name in trained]
    work = Work.of(len(inventory.labels), splits, inventory.copies)
    kind = devices.choose(settings.extract.device).type
    _print_times(estimates(cost, work, settings), f"time on this machine's {kind}")
    _advise(rates, settings)
    _disk(cost, work)
    return []


def _print_times(estimated: Sequence[Estimate], title: str) -> None:
    last = estimated[-1]
    rows = [console.Row((one.stage, rough(one.seconds), one.arithmetic), ends=one is last) for one in estimated]
    remark = "rough; index, backbone, codebook and summary were not measured"
    rows.append(console.Row(("all", rough(sum(one.seconds for one in estimated)), remark), "bold"))
    console.table("", ("stage", title, f"from seconds per clip, measured on {MEASURED} clips"), rows)


def _network_rates(settings: Settings) -> dict[str, float]:
    """Frames per second of extract's network in each precision; float32 only on a GPU without bfloat16."""
    numbers, device = settings.extract, devices.choose(settings.extract.device)
    shape = settings.decode.frames, numbers.crop, numbers.crop, 3
    frames = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    weights = random_weights(settings.backbone.network, 1, centre_view(torch.from_numpy(frames[:1]), numbers.crop))
    names = sorted(DTYPES if device.type == "cpu" else {"float32", devices.precision("auto", device)})
    pre_relu, draws = numbers.features == "pre_relu", [None] * (1 if device.type == "cpu" else numbers.views)
    networks = {name: folded_backbone(weights, pre_relu, name, device) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(1 + ROUNDS):  # the first warms up
        for name, network in networks.items():
            start = time.perf_counter()
            clip_maps(network, frames, draws, numbers.crop, numbers.batch)
            times[name].append(time.perf_counter() - start)
    return {name: len(draws) * len(frames) / min(took[1:]) for name, took in times.items()}


def _advise(rates: Mapping[str, float], settings: Settings) -> None:
    """Print frames per second by precision, and warn if `precision: auto` picks a clearly slower one."""
    auto = devices.precision("auto", devices.choose(settings.extract.device))
    measured = ", ".join(f"{rate:.3g} frames/s in {name}" for name, rate in rates.items())
    console.done(f"network: {measured}; precision: auto is {auto} here")
    fastest = max(rates, key=lambda name: rates[name])
    if settings.extract.precision == "auto" and rates[fastest] > CLEARLY * rates[auto]:
        times = rates[fastest] / rates[auto]
        console.warn(f"{fastest} is {times:.2g} times as fast here: set precision: {fastest} in params.yaml")


def _disk(cost: Cost, work: Work) -> None:
    store = Store.open().root
    free, frames, maps = shutil.disk_usage(store).free, cost.frames * work.clips, cost.maps * work.clips
    console.done(
        f"disk: frames about {weight(frames)} ({work.clips:,} x {weight(cost.frames)}, measured), "
        f"maps at most {weight(maps)} ({work.clips:,} x {weight(cost.maps)}, before compression); "
        f"{weight(free)} free at {store}"
    )
    if free < frames + maps:
        console.warn("the disk may be too small: set TAVLAD_STORE and DVC's cache to a larger one, or use fewer views")


def _cut(rows: Sequence[Problem], every: bool) -> list[Problem]:
    """At most NAMED of `rows`, and a row with the number of others."""
    if every or len(rows) <= NAMED:
        return list(rows)
    return [*rows[:NAMED], ("...", f"and {len(rows) - NAMED:,} more; --all lists them")]
