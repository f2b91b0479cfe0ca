"""The files that document a model on its own: README.md, its model card, and labels.txt, its classes.

Both are functions of the model and the parameters, without dates: the same training writes the same bytes.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tavlad.data.table import write_classes
from tavlad.learning.checkpoints import Facts, read_clusters, read_facts, read_settings
from tavlad.store.recipes import file_digest

PAPER = "https://doi.org/10.3233/IA-190021"
ESCAPES = {ord(mark): f"\\{mark}" for mark in string.punctuation}
HEAD = """---
library_name: tavlad
pipeline_tag: video-classification
---

# TA-VLAD, {stage}

A classifier of videos into {count} classes by [top-down attention recurrent VLAD encoding]({paper}).

## Use

{use}

## Trained on

{training} clips, the training part of {split}; {selection}. The test part was not used. `curve.csv` has the loss and
the accuracy on the training clips by epoch. Before this training the network, {network}, had these weights: {source}.

## Accuracy

Not known when this card was written: stage evaluate writes it to `data/evaluate/{split}/metrics.json` in the project
that trained the model. The model knows only its own classes: anything else in a video is taken for one of them.
"""
PREDICTS = """In this folder, with the package `tavlad` installed:

    tavlad predict clip.mp4 --model .

or from Python:

    import tavlad
    print(tavlad.predict("clip.mp4", model=".").classes[0])

It sees {frames} frames of each clip, scaled to a short side of {short_side} pixels and cropped to the middle {crop}."""
ENCODES = """It has no network of its own and takes cached maps (B, T, C, H, W). In this folder, from Python:

    from tavlad.model.tavlad import TAVLAD
    logits = TAVLAD.from_checkpoint(".").forward_maps(maps)

`tavlad predict` needs the model of stage 2."""


@dataclass(frozen=True)
class Training:
    """The contents of a card: `stage` as DVC calls it ("stage1@split1"), the numbers of clips that trained and that
    selected the epoch, the origin of the backbone's weights, and the parameters that decided values."""

    stage: str
    clips: int
    validation: int
    source: str
    parameters: Mapping[str, Any]


def write_card(folder: Path, training: Training) -> None:
    """Write README.md and labels.txt for the model in `folder`; old ones are removed first, as they may be links."""
    facts, settings = read_facts(folder), read_settings(folder)
    chosen = {name: value for name, value in asdict(settings).items() if name != "classes"}
    sizes = {name: getattr(facts, name) for name in ("frames", "short_side", "crop", "jpeg_quality")}
    shown = {"clusters": read_clusters(folder), **chosen, **sizes, **training.parameters}
    rows = [(name, value) for name, value in sorted(shown.items()) if value is not None]
    digest = file_digest(folder / "model.safetensors")[:12]
    parts = [
        _head(training, facts, settings.network),
        f"## Settings\n\n{_table(('key', 'value'), [*rows, ('SHA-256', f'{digest}...')])}",
        "## Classes\n\n`labels.txt` lists them too, one per line, in the order of the logits.\n\n"
        + _table(("logit", "class"), list(enumerate(facts.classes))),
    ]
    for name in ("README.md", "labels.txt"):
        (folder / name).unlink(missing_ok=True)
    (folder / "README.md").write_text("\n".join(parts), encoding="utf-8", newline="\n")
    write_classes(folder / "labels.txt", facts.classes)


def literal(text: str) -> str:
    """Escape `text` for Markdown, including table cells, so that it is shown literally."""
    inner = text.strip()
    before, _, after = text.partition(inner) if inner else (text, "", "")
    spaces = ["".join(f"&#{ord(space)};" for space in outside) for outside in (before, after)]
    return spaces[0] + inner.translate(ESCAPES) + spaces[1]


def _head(training: Training, facts: Facts, network: str) -> str:
    stage, split = training.stage.split("@")
    selection = f"{training.validation:,} others chose the epoch" if training.validation else "the last epoch is kept"
    return HEAD.format(
        stage=f"{stage.replace('stage', 'stage ')} of {split}",
        count=len(facts.classes),
        paper=PAPER,
        use=ENCODES if facts.frames is None else PREDICTS.format(**asdict(facts)),
        training=f"{training.clips:,}",
        split=split,
        selection=selection,
        network=literal(network),
        source=literal(Path(training.source).name),
    )


def _table(heads: tuple[str, str], rows: Sequence[tuple[object, object]]) -> str:
    lines = [heads, ("---", "---"), *((literal(str(name)), literal(str(value))) for name, value in rows)]
    return "".join(f"| {name} | {value} |\n" for name, value in lines)
