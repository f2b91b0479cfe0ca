"""Stage `codebook@split`: K centres from the training clips of one split."""

from pathlib import Path
from typing import ClassVar

import click
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.code import own_code
from tavlad import console
from tavlad.data.table import read_examples
from tavlad.params import Section
from tavlad.store.making import made, publish
from tavlad.store.store import Store


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
@own_code
@click.argument("split")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def main(split: str, index: Path, features: Path, output: Path) -> None:
    """Fit the codebook of SPLIT to the cached maps in FEATURES and write it to OUTPUT."""
    from tavlad.features.cache import maps_inputs
    from tavlad.learning import codebook

    params, store, stage = Parameters.load(), Store.open(), f"codebook@{split}"
    maps = maps_inputs(features, read_examples(index, split, "train").ids)
    wanted = codebook.Codebook(maps, params.descriptors, params.clusters, params.iterations, params.alpha, params.seed)
    with store.output(stage, output):
        result = made(store, "codebook", codebook.make_codebook, wanted, None)
        publish(result.path, output)
    store.record(stage, {"seconds": result.seconds})
    centers, facts = codebook.load_codebook(output)
    if facts["empty"]:
        advice = "lower clusters, or raise codebook.descriptors"
        console.warn(f"{stage}: {facts['empty']} of {len(centers)} clusters are empty: {advice}")
    console.done(
        f"{stage}: {len(centers)} clusters of {facts['descriptors']} descriptors in {facts['iterations']} iterations, "
        f"inertia {facts['inertia']:.1f}, {facts['empty']} empty, {facts['confident']:.1%} assigned with p > 0.99 "
        f"at alpha {facts['alpha']:g} (NetVLAD's rule: alpha {facts['netvlad_alpha']:.0f})"
    )


if __name__ == "__main__":
    main()
