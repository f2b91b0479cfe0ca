"""Stage codebook@split: K centres from the training clips of one split."""

import time
from pathlib import Path
from typing import ClassVar

import click
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from tavlad import console
from tavlad.features.cache import read_recipe
from tavlad.learning import kmeans
from tavlad.learning.codebook import describe, load_codebook, save_codebook
from tavlad.learning.examples import read_examples
from tavlad.params import Section
from tavlad.recipes import code, digest, versions
from tavlad.store import Store, publish


class Parameters(Section):
    """Section `codebook`."""

    section: ClassVar[str] = "codebook"
    shared: ClassVar[tuple[str, ...]] = ("clusters", "alpha", "seed")
    descriptors: PositiveInt
    iterations: PositiveInt
    clusters: PositiveInt
    alpha: PositiveFloat
    seed: NonNegativeInt


@click.command()
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, features: Path, output: Path) -> None:
    """Fit the codebook of SPLIT from the cached maps under FEATURES and write it to OUTPUT."""
    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    with store.lock(f"codebook@{split}"):
        ids = read_examples(index, split, "train").ids
        recipe = {
            "features": {clip: read_recipe(features / f"{clip}.h5") for clip in ids},
            "params": params.deciding(),
            "versions": versions("scikit-learn", "numpy", "torch"),
            "code": code(kmeans),
        }
        key = digest(recipe)
        if store.find("codebook", key) is None:
            found = kmeans.sample(features, ids, params.descriptors, params.seed)
            centers, fitted = kmeans.fit(found, params.clusters, params.iterations, params.alpha, params.seed)
            with store.create("codebook", key) as aside:
                save_codebook(aside, centers, fitted, key)
        publish(store.get("codebook", key), output)
    centers, facts = load_codebook(output)
    if facts["empty"]:
        advice = "lower clusters, or raise codebook.descriptors"
        console.warn(f"codebook@{split}: {facts['empty']} of {len(centers)} clusters are empty: {advice}")
    console.done(f"codebook@{split}: {describe(output)}")
    store.record(f"codebook@{split}", {"seconds": time.monotonic() - started})


if __name__ == "__main__":
    main()
