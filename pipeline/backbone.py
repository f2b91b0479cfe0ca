"""Stage `backbone`: the network for all clips: with ImageNet weights, from a local file, or random with a seed."""

from pathlib import Path
from typing import ClassVar

import click
from pydantic import NonNegativeInt, field_validator

from pipeline.code import own_code
from tavlad import console
from tavlad.model.settings import NetworkName, why_no_backbone
from tavlad.params import Section
from tavlad.store.making import made, publish
from tavlad.store.store import Store


class Parameters(Section):
    """Section `backbone`: `weights` is "imagenet", "random" (from `seed`), or a local .pth or .safetensors file."""

    section: ClassVar[str] = "backbone"
    network: NetworkName
    weights: str
    seed: NonNegativeInt

    @field_validator("network", mode="before")
    @classmethod
    def _can_be_a_backbone(cls, given: object) -> object:
        if reason := why_no_backbone(str(given)):
            raise ValueError(reason)
        return given


@click.command()
@own_code
@click.argument("output", type=click.Path(path_type=Path))
def main(output: Path) -> None:
    """Write the weights, with their publisher's tensor names, to the safetensors file OUTPUT."""
    from tavlad.features import weights
    from tavlad.features.backbone import backbone_digest

    params, store = Parameters.load(), Store.open()
    source = weights.Source.of(params.network, params.weights, params.seed)
    with store.output("backbone", output):
        result = made(store, "backbone", weights.make_backbone, source, None)
        publish(result.path, output)
    store.record("backbone", {"seconds": result.seconds})
    console.done(f"backbone: {params.network} from '{params.weights}', digest {backbone_digest(output)[:12]}")


if __name__ == "__main__":
    main()
