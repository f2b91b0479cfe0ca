"""Stage `index`: the clips, their labels, groups and digests, and the three splits; reads no pixels."""

import time
from functools import partial
from pathlib import Path
from typing import ClassVar

import click
from pydantic import Field

from pipeline.code import own_code
from pipeline.dataset import Dataset
from tavlad import console
from tavlad.params import Section, available_cpus
from tavlad.store.making import fresh
from tavlad.store.store import Store


class Parameters(Section):
    """The seed of random splits and of validation parts."""

    section: ClassVar[str] = "index"
    seed: int = Field(ge=0)


@click.command()
@own_code
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
def main(output: Path) -> None:
    """Write the tables of the data set at dataset.root to OUTPUT: clips, splits, classes, pairs, boxes, exclusions."""
    from tavlad.data import balance, boxes, dag, hashing, indexing, reversal, table
    from tavlad.errors import InputError
    from tavlad.video.ends import segments_beyond

    dataset, parameters, store, start = Dataset.load(), Parameters.load(), Store.open(), time.monotonic()
    root = dataset.folder()
    with store.output("index", output):
        beyond = partial(segments_beyond, workers=available_cpus())
        index = indexing.build_index(root, dataset.layout, dataset.rules(parameters.seed), beyond)
        trained = dag.read_trained_splits() if Path(dag.FILE).exists() else []
        if words := dag.to_change(trained, table.SPLITS[: len(index.splits)]):
            raise InputError(f"index: {words}")
        clips = hashing.hashed(root, index.clips, store)
        fresh(output)
        table.write_clips(output / "clips.csv", clips)
        for name, split in zip(table.SPLITS, index.splits, strict=False):
            table.write_split(output / f"{name}.csv", split)
        table.write_classes(output / "classes.txt", index.classes)
        reversal.write_pairs(output / reversal.FILE, index.pairs)
        boxes.take_boxes(root, output / "boxes.csv", reversal.originals(clips))
        table.write_excluded(output / "excluded.csv", index.excluded)
    store.record("index", {"seconds": time.monotonic() - start, "clips": len(clips)})
    if uneven := balance.imbalance(balance.counted(clip.label for clip in clips)):
        console.warn(f"index: {uneven}")
    console.done(f"index: {index.summary()}")


if __name__ == "__main__":
    main()
