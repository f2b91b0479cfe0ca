"""Stage `backbone`: the ResNet-34 that every clip goes through: ImageNet's, a local file's, or a seeded random one."""

from pathlib import Path
from typing import ClassVar

import click
from pydantic import NonNegativeInt

from pipeline.code import own_code
from tavlad import console
from tavlad.params import Section
from tavlad.store.making import made, publish
from tavlad.store.store import Store


class Parameters(Section):
    """Section `backbone`: `weights` is "imagenet", "random" (by `seed`), or a local .pth or .safetensors file."""

    section: ClassVar[str] = "backbone"
    weights: str
    seed: NonNegativeInt


@click.command()
@own_code
@click.argument("output", type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Write the weights, under torchvision's names, to the safetensors file OUTPUT."""
    from tavlad.features import weights
    from tavlad.features.backbone import backbone_digest

    params, store = Parameters.load(), Store.open()
    with store.output("backbone", output):
        result = made(store, "backbone", weights.make_backbone, weights.Source.of(params.weights, params.seed), None)
        publish(result.path, output)
    store.record("backbone", {"seconds": result.seconds})
    console.done(f"backbone: ResNet-34 from '{params.weights}', digest {backbone_digest(output)[:12]}")


if __name__ == "__main__":
    main()
