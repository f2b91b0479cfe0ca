"""The parts of the model that a stage may train, by name."""

from collections.abc import Sequence

from torch import nn

from tavlad.model.tavlad import TAVLAD

PARTS = ("layer4", "downsample", "batchnorm", "fc", "vlad", "gru", "classifier")
HEAD = ("gru", "classifier")  # what stage 1 trains; in stage 2 it has a learning rate of its own

Named = dict[str, nn.Parameter]


def select(model: TAVLAD, parts: Sequence[str]) -> dict[str, Named]:
    """Freeze `model` but for `parts`; each part's parameters by name, a part that the variant lacks being left out."""
    model.requires_grad_(False)
    chosen: dict[str, Named] = {part: {} for part in parts}
    for name, parameter in model.named_parameters():
        part = part_of(name, model)
        if part in chosen:
            parameter.requires_grad_(True)
            chosen[part][name] = parameter
    return {part: named for part, named in chosen.items() if named}


def part_of(name: str, model: TAVLAD) -> str | None:
    """The part that the parameter `name` of `model` belongs to; None for what never trains."""
    room, _, rest = name.partition(".")
    if room == "backbone":
        if not rest.startswith("layer4."):
            return None  # the trunk
        if ".downsample.0." in rest:
            return "downsample"
        return "layer4" if ".conv" in rest else "batchnorm"
    if room == "attention":
        # a decoupled attention branch is never fine-tuned
        return "fc" if model.settings["attention"] == "joint" else None
    return {"vlad": "vlad", "temporal": "gru", "classifier": "classifier"}.get(room)
