"""Stage `demo`: draws and encodes the embedded data set."""

import time
from pathlib import Path
from typing import ClassVar

import click
from pydantic import Field

from tavlad import console
from tavlad.clips import demo
from tavlad.params import Section
from tavlad.recipes import code, digest, versions
from tavlad.store import Store, fresh, publish


class Parameters(Section):
    """The seed of all draws, the number of groups, and of clips for each class and group."""

    section: ClassVar[str] = "demo"
    seed: int = Field(ge=0)
    groups: int = Field(ge=demo.SPLITS, le=99)
    clips: int = Field(ge=1, le=99)


@click.command()
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
def main(output: Path) -> None:
    """Write the demo's clips, lists and true boxes to the folder OUTPUT."""
    params, store, start = Parameters.load(), Store.open(), time.monotonic()
    with store.lock("demo"):
        clips = list(demo.draw(params.seed, params.groups, params.clips))
        facts = {"params": params.deciding(), "versions": versions("av", "numpy", "pillow"), "code": code(demo)}
        key = digest(facts)
        if store.find("demo", key) is None:
            with store.create("demo", key) as aside:
                for clip in console.track(clips, "demo", len(clips), "clips"):
                    clip.write(aside)
                demo.write_lists(aside, clips)
                demo.write_boxes(aside, clips)
        publish(store.get("demo", key), fresh(output))
        store.record("demo", {"seconds": time.monotonic() - start, "clips": len(clips)})
    made = f"{len(clips)} clips, {len(demo.CLASSES)} classes, {params.groups} groups, seed {params.seed}"
    console.done(f"demo: {made}, in {output}")


if __name__ == "__main__":
    main()
