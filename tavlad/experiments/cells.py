"""The numbers of a report as text: heads and lines, for HTML and Markdown alike."""

from collections.abc import Sequence

from tavlad.experiments.tables import STAGES, Comparison, Row

Cells = tuple[list[str], list[list[str]]]  # heads, lines
WORDS = {"stage1": "stage 1", "stage2": "stage 2"}


def variant_cells(table: Sequence[Row]) -> Cells:
    """A line for each variant."""
    stages = [stage for stage in STAGES if any(stage in row.scores for row in table)]
    heads = ["variant", "groups"]
    heads += [f"{WORDS[stage]}: {what}" for stage in stages for what in ("accuracy", "within pairs", "seconds")]
    heads += ["trained in stage 1", "paper, HMDB51 split 1"]
    lines = []
    for row in table:
        cells = [row.label, str(row.scores[stages[0]].groups)]
        for stage in stages:
            score, seconds = row.scores.get(stage), row.seconds[stage]
            cells += ["", ""] if score is None else [_accuracy(row, stage), _within(row, stage)]
            cells.append("" if seconds is None else f"{seconds:.0f}")
        paper = "" if row.paper is None else f"{row.paper:.1f}"
        lines.append([*cells, f"{row.parameters:,}", paper])
    return heads, lines


def _accuracy(row: Row, stage: str) -> str:
    score = row.scores[stage]
    low, high = score.interval
    spread = f" ± {100 * score.deviation:.1f}" if score.seeds > 1 else ""
    return f"{100 * score.mean:.1f}{spread} [{100 * low:.1f}, {100 * high:.1f}]"


def _within(row: Row, stage: str) -> str:
    score = row.scores[stage]
    if score.pairs is None or score.pairs_interval is None:
        return ""
    low, high = score.pairs_interval
    return f"{100 * score.pairs:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def pair_cells(pairs: Sequence[Comparison]) -> Cells:
    """A line for each compared pair."""
    heads = ["compared", "after", "seeds", "groups", "gain, points [95 % interval]", "clips better / worse"]
    heads += ["p (sign flips)", "p (Holm)"]
    lines = []
    for pair in pairs:
        found = pair.difference
        low, high = found.interval
        gain = f"{100 * found.gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        names = f"{pair.ours} over {pair.theirs}"
        seeds = " / ".join(map(str, dict.fromkeys(pair.seeds)))
        changed = f"{found.better} / {found.worse}"
        p = [f"{found.p:.2g}", f"{pair.corrected:.2g}"]
        lines.append([names, WORDS[pair.stage], seeds, str(found.groups), gain, changed, *p])
    return heads, lines
