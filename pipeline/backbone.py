"""Stage `backbone`: the ResNet-34 that every clip goes through: ImageNet's, a local file's, or a seeded random one."""

import time
from pathlib import Path
from typing import ClassVar

import click
from pydantic import NonNegativeInt

from tavlad import console
from tavlad.clips import scene
from tavlad.features import weights
from tavlad.features.backbone import backbone_digest, write_backbone
from tavlad.params import Section
from tavlad.recipes import code, digest, versions
from tavlad.store import Store, publish


class Parameters(Section):
    """Section `backbone`: `weights` is "imagenet", "random" (by `seed`), or a local .pth or .safetensors file."""

    section: ClassVar[str] = "backbone"
    weights: str
    seed: NonNegativeInt


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Write the weights, under torchvision's names, to the safetensors file OUTPUT."""
    params, store, started = Parameters.load(), Store.open(), time.monotonic()
    with store.lock("backbone"):
        recipe = {
            "params": params.deciding(),
            "source": weights.source_digest(params.weights),
            "versions": versions("torch", "torchvision", "numpy", "safetensors"),
            "code": code(weights, scene),
        }
        key = digest(recipe)
        if store.find("backbone", key) is None:
            state = weights.make(params.weights, params.seed, scene.calibration_frames)
            with store.create("backbone", key) as aside:
                write_backbone(aside, state, params.weights)
        publish(store.get("backbone", key), output)
        store.record("backbone", {"seconds": time.monotonic() - started})
    console.done(f"backbone: ResNet-34 from '{params.weights}', digest {backbone_digest(output)[:12]}")


if __name__ == "__main__":
    main()
