"""One self-contained page about all experiments: tables, embedded pictures, and how to read the numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tavlad.experiments.outcomes import Outcome
from tavlad.experiments.plan import Experiment, Plan, variants
from tavlad.experiments.statistics import FLIPS
from tavlad.experiments.tables import STAGES, WORDS, Cells, VariantRow, comparisons, pair_cells, rows, variant_cells
from tavlad.report.figure import figure
from tavlad.report.page import data_uri, write_page

OURS, PAPERS = "#0072b2", "#bbbbbb"
AXES = {"clusters": "clusters K", "hidden": "memory D"}


def draw_grid(grid: dict[str, list[int]], cells: dict[tuple[int, ...], float], title: str, path: Path) -> None:
    """Write a heat map of accuracies by grid cell, first parameter on the vertical axis; missing cells are blank."""
    (down, rows), (across, columns) = grid.items()
    values = np.array([[100 * cells.get((row, column), np.nan) for column in columns] for row in rows])
    with figure(path, 1.6 + 1.1 * len(columns), 1.2 + 0.8 * len(rows)) as drawn:
        axes = drawn.subplots()
        axes.set_title(title)
        image = axes.imshow(values, cmap="viridis", aspect="auto")
        axes.set_xticks(range(len(columns)), [str(value) for value in columns])
        axes.set_yticks(range(len(rows)), [str(value) for value in rows])
        axes.set_xlabel(AXES.get(across, across))
        axes.set_ylabel(AXES.get(down, down))
        axes.grid(False)
        middle = np.nanmean([np.nanmin(values), np.nanmax(values)])
        for (row, column), value in np.ndenumerate(values):
            text, colour = ("not run", "0.5") if np.isnan(value) else (f"{value:.1f}", "w" if value < middle else "k")
            axes.text(column, row, text, ha="center", va="center", color=colour)
        drawn.colorbar(image, label="accuracy, %")


def draw_bars(rows: Sequence[VariantRow], stage: str, title: str, path: Path) -> None:
    """Write one bar per variant after `stage`, with its interval over groups; beside them the paper's own numbers."""
    shown = [row for row in rows if stage in row.scores][::-1]
    with figure(path, 11, 1.2 + 0.42 * len(shown)) as drawn:
        ours, papers = drawn.subplots(1, 2, sharey=True, width_ratios=[1, 1], gridspec_kw={"wspace": 0.06})
        for place, row in enumerate(shown):
            score = row.scores[stage]
            low, high = score.interval
            ours.barh(place, 100 * score.mean, color=OURS, height=0.62)
            ours.plot([100 * low, 100 * high], [place, place], color="0.15", linewidth=1.4)
            _write(ours, place, 100 * score.mean)
            if row.paper is not None:
                papers.barh(place, row.paper, color=PAPERS, height=0.62, hatch="//", edgecolor="w")
                _write(papers, place, row.paper)
        ours.set_yticks(range(len(shown)), [row.label for row in shown])
        ours.set_title(title)
        papers.set_title("the paper's: HMDB51 split 1")
        for axes in (ours, papers):
            axes.set_xlim(0, 100)
            axes.set_xlabel("accuracy, %")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)


def _write(axes: Axes, place: int, value: float) -> None:
    box = {"facecolor": "w", "edgecolor": "none", "pad": 1.2}
    axes.text(1.5, place, f"{value:.1f}", va="center", ha="left", fontsize=9, bbox=box)


PAPER_CLIPS, PAPER_ACCURACY = 1530, 0.55  # HMDB51, one split
PAPER_GAINS = {"GRU": 1.6, "attention": 1.7, "both": 3.0}
LEGEND = {
    "Accuracy": "in percent, the mean over the splits of the accuracy within each split, averaged over seeds; ± its "
    "standard deviation over seeds; [its 95 % interval].",
    "Mean class": "in percent, the mean over the classes of the accuracy within each (its recall), averaged over "
    "splits and seeds: classes count alike, whatever their numbers of clips.",
    "Within pairs": "the same where only a clip's class and its reversal in time compete (chance: 50). A model that is "
    "blind to order gets exactly one of a clip and its reversal right, so every group scores 50, and the interval has "
    "no width by construction.",
    "Gain": "in points, the difference of two such accuracies before they are rounded.",
    "Groups": "how many people, scenes or videos the held-out clips come from (the column group of clips.csv). Clips "
    "of one group are not independent, so intervals and p treat groups as independent, not clips.",
    "Interval": "95 %, by Student's t with one degree of freedom fewer than there are groups, from how far the number "
    "moves when each group is left out in turn; for accuracies on the logit scale. In simulations 93 to 97 % of such "
    "intervals hold the true number, but fewer where all errors, or all changes, lie in a few groups. It says what "
    "other groups would change, not what another training would.",
    "Clips better / worse": "how many clips the first variant gets right in a larger, or a smaller, share of its runs "
    "than the second; a clip that several splits hold out counts once.",
    "p (sign flips)": "how often a gain at least as large in either direction comes about when the sign of each "
    f"group's part in it is left to chance: over all flips if at most {FLIPS.bit_length() - 1} groups changed, "
    f"otherwise over {FLIPS:,} that are drawn with a fixed seed.",
    "p (Holm)": "p, corrected for the number of pairs that this table compares after this stage.",
    "Seeds": "of both variants, or of each where they differ.",
    "Seconds": "training, all splits together, on the machine that ran them.",
}


def write_report(plan: Plan, outcomes: Sequence[Outcome], dataset: str, folder: Path) -> list[str]:
    """Write index.html, its pictures, and its tables as tables.md to `folder`; the names of the experiments shown."""
    folder.mkdir(parents=True, exist_ok=True)
    legend = "".join(f"- {name}: {words}\n" for name, words in LEGEND.items())
    parts, text, shown = [], [f"# TA-VLAD on {dataset}\n", legend], []
    for name, experiment in plan.experiments.items():
        names = [variant for variant, _ in variants(plan, experiment)]
        if table := rows(plan, experiment, outcomes, names):
            shown.append(name)
            pairs = comparisons(experiment, outcomes)
            tables = [variant_cells(table), *([pair_cells(pairs)] if pairs else [])]
            pictures = list(_pictures(name, experiment, table, folder))
            parts.append({"title": experiment.title, "pictures": pictures, "tables": tables})
            text += [f"## {experiment.title}\n", *map(_markdown, tables)]
    values = {"dataset": dataset, "note": paper_note(), "legend": LEGEND, "experiments": parts}
    (folder / "tables.md").write_text("\n".join(text), encoding="utf-8", newline="\n")
    write_page("experiments.html", values, folder / "index.html")
    return shown


def paper_note() -> str:
    """The precision of the paper's own differences, from the size of its test sets alone."""
    error = 100 * (PAPER_ACCURACY * (1 - PAPER_ACCURACY) / PAPER_CLIPS) ** 0.5
    gains = ", ".join(f"{gain:.1f} ({what}: {gain / error:.1f} errors)" for what, gain in PAPER_GAINS.items())
    return (
        f"The paper reports one run per variant on {PAPER_CLIPS:,} clips of HMDB51 split 1: at 55 % one standard error "
        f"of an accuracy is {error:.1f} points if clips are independent, and more if not. Its gains over "
        f"ActionVLAD in points: {gains}. The error of a paired difference is smaller, but unknown: the paper "
        "gives no results per clip."
    )


def _pictures(
    name: str, experiment: Experiment, table: Sequence[VariantRow], folder: Path
) -> Iterator[tuple[str, str]]:
    """Yield the title of each picture, one per stage, and the picture itself."""
    for stage in STAGES:
        if reached := [row for row in table if stage in row.scores]:
            picture = folder / f"{name.replace('/', '-')}-{stage}.png"
            title = f"after {WORDS[stage]}, {_seeds(reached, stage)}"
            if experiment.grid:
                cells = _cells(experiment, reached, stage)
                draw_grid(experiment.grid, cells, title, picture)
            else:
                draw_bars(reached, stage, title, picture)
            yield title, data_uri(picture.read_bytes(), "png")


def _cells(experiment: Experiment, table: Sequence[VariantRow], stage: str) -> dict[tuple[int, ...], float]:
    by_name = {row.variant: row.scores[stage].mean for row in table}
    plan = Plan(base={}, variants={}, experiments={})
    return {tuple(cell.values()): by_name[name] for name, cell in variants(plan, experiment) if name in by_name}


def _seeds(table: Sequence[VariantRow], stage: str) -> str:
    counts = sorted({row.scores[stage].seeds for row in table})
    return f"{' or '.join(map(str, counts))} seed{'s' if counts != [1] else ''}"


def _markdown(table: Cells) -> str:
    heads, lines = table
    cells = ([cell.replace("|", r"\|") for cell in line] for line in (heads, ["---"] * len(heads), *lines))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"
