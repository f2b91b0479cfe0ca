"""Stage `check`: validate params.yaml before anything else runs, and give each stage's code a digest for DVC."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from pipeline import backbone, codebook, decode, demo, engine, evaluate, extract, index, stage1, stage2, summary
from pipeline.code import STAGES, digest_of
from pipeline.dataset import Dataset
from tavlad import console
from tavlad.errors import InputError
from tavlad.params import Section, read_yaml
from tavlad.store.making import fresh

SECTIONS: tuple[type[Section], ...] = (
    Dataset,
    engine.Ray,
    *(
        stage.Parameters
        for stage in (demo, index, decode, backbone, extract, codebook, stage1, stage2, evaluate, summary)
    ),
)
ADVICE = "Correct params.yaml; its comments and presets/ say what each key takes."


def check_params(path: Path | str = "params.yaml") -> None:
    """Raise an InputError naming every key of `path` that is unknown, wrong, or in conflict with another."""
    document = read_yaml(path)
    messages = []
    for stage in SECTIONS:
        try:
            stage.load(path)
        except InputError as error:
            messages.append(str(error))
    if messages:
        raise InputError("\n".join(dict.fromkeys(messages)))
    known = {stage.section for stage in SECTIONS} | {key for stage in SECTIONS for key in stage.shared}
    rows = [(key, "no stage reads it") for key in document if key not in known]
    rows += conflicts(document)
    if rows:
        raise InputError(f"{path} cannot be run", rows, ADVICE)


def conflicts(p: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys of a valid params.yaml that contradict each other, each with the reason."""
    if p["engine"] == "ray" and p["ray"]["gpus"] and p["device"] == "cpu":
        yield "ray.gpus", "device: cpu leaves the actors' GPUs unused"
    if p["engine"] == "ray" and not p["ray"]["gpus"] and p["device"] == "cuda":
        yield "ray.gpus", "device: cuda needs GPUs for the actors"
    if p["crop"] > p["short_side"]:
        yield "crop", f"a crop of {p['crop']} pixels does not fit into frames with a short side of {p['short_side']}"
    if p["codebook"]["descriptors"] < p["clusters"]:
        yield "codebook.descriptors", f"fewer than the {p['clusters']} clusters"
    if p["stage2"]["micro_batch"] > p["stage2"]["batch"]:
        yield "stage2.micro_batch", f"larger than stage2.batch, {p['stage2']['batch']}"
    if p["pooling"] == "avg":
        if p["attention"] != "none":
            yield "attention", "pooling: avg weights all locations equally: set attention: none"
        if p["temporal"] != "sum":
            yield "temporal", "pooling: avg ignores temporal order: set temporal: sum"
        if p["assignment"] != "soft":
            yield "assignment", "pooling: avg has no clusters: leave assignment: soft"
    absent = {"fc"} if p["attention"] != "joint" else set()
    absent |= {"gru"} if p["temporal"] == "sum" else set()
    absent |= {"vlad"} if p["pooling"] == "avg" else set()
    if absent and set(p["stage2"]["train"]) <= absent:
        yield "stage2.train", f"nothing is left to train: this variant has no {' and no '.join(sorted(absent))}"


def check_splits(names: Sequence[str], layout: str, root: Path, path: Path | str = "dvc.yaml") -> None:
    """Raise an InputError if one of `names`, the splits in `path`, is not a plain word or not a split of `layout`.

    They must be plain words because a shell reads them in commands.
    """
    from tavlad.data.dag import to_change
    from tavlad.data.indexing import LAYOUTS

    if invalid := [name for name in names if not re.fullmatch("[a-z0-9]+", name)]:
        raise InputError(
            f"{path}: split names must be lower-case letters and digits, unlike {', '.join(map(repr, invalid))}."
        )
    if words := to_change(names, LAYOUTS[layout].splits(root), path):
        raise InputError(f"{words}\nThis line applies to all stages; then run `dvc repro` again.")


def changed(codes: Path, lock: Path | str = "dvc.lock") -> list[str]:
    """The stages whose digest in the folder `codes` differs from that of their last run, in dvc.lock."""
    ran = read_yaml(lock)["stages"].values() if Path(lock).is_file() else ()
    known = {Path(dep["path"]): dep["md5"] for stage in ran for dep in stage.get("deps", ())}
    md5s = {file.stem: md5 for file, md5 in known.items() if file.parent.name == codes.name}
    now = {stage: hashlib.md5((codes / f"{stage}.txt").read_bytes(), usedforsecurity=False) for stage in STAGES}
    return [stage for stage in STAGES if stage in md5s and md5s[stage] != now[stage].hexdigest()]


@click.command()
@click.argument("codes", type=click.Path(file_okay=False, path_type=Path))
@click.option("--split", "splits", multiple=True, required=True)
@console.errors_shown()
def main(codes: Path, splits: tuple[str, ...]) -> None:
    """Check params.yaml and each --split, and write the digest of each stage's code to CODES, for DVC to track."""
    check_params()
    dataset = Dataset.load()
    check_splits(splits, dataset.layout, Path(dataset.root))
    fresh(codes)
    for stage in STAGES:
        (codes / f"{stage}.txt").write_text(f"{digest_of(stage)}\n", encoding="utf-8", newline="\n")
    names = changed(codes)
    code = f"the code of {', '.join(names)} has changed" if names else "no stage's code has changed"
    console.done(f"check: params.yaml is in order; {code}")


if __name__ == "__main__":
    main()
