"""Stage `demo`: draw and encode the built-in data set."""

from pathlib import Path
from typing import ClassVar

import click
from pydantic import Field

from pipeline.code import own_code
from tavlad import console
from tavlad.data.table import SPLITS
from tavlad.params import Section
from tavlad.store.making import fresh, made, publish
from tavlad.store.store import Store


class Parameters(Section):
    """The random seed, the number of groups, and the number of clips per class and group."""

    section: ClassVar[str] = "demo"
    seed: int = Field(ge=0)
    groups: int = Field(ge=len(SPLITS), le=99)
    clips: int = Field(ge=1, le=99)


@click.command()
@own_code
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
def main(output: Path) -> None:
    """Write the demo's clips, lists and true boxes to the folder OUTPUT."""
    from tavlad.demo import generator

    params, store = Parameters.load(), Store.open()
    with store.output("demo", output):
        result = made(
            store, "demo", generator.make_demo, generator.Size(params.seed, params.groups, params.clips), None
        )
        publish(result.path, fresh(output))
    clips = params.groups * params.clips * len(generator.CLASSES)
    store.record("demo", {"seconds": result.seconds, "clips": clips})
    groups = console.quantity(params.groups, "group")
    facts = f"{clips} clips, {len(generator.CLASSES)} classes, {groups}, seed {params.seed}"
    console.done(f"demo: {facts}, in {output}")


if __name__ == "__main__":
    main()
