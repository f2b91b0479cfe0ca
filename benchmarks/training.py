"""Training and evaluation: a step of stage 1, a step of stage 2, evaluating a clip."""

import shutil
from collections.abc import Callable

import torch

from benchmarks.floors import DTYPES, bare_images, bare_network, network_seconds, product_seconds
from benchmarks.place import Workplace, quiet
from benchmarks.steps import train_stage1, train_stage2
from benchmarks.timing import Best, Part, Row, Run, timed
from tavlad.device import Speed, autocast
from tavlad.features.backbone import load_backbone
from tavlad.learning import scoring, stage1, stage2
from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.learning.codebook import fit_codebook, sample_descriptors
from tavlad.model.network import IMAGENET_CLASSES
from tavlad.model.resnet import RESNET
from tavlad.model.tavlad import TAVLAD
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import made
from tavlad.store.recipes import file_digest
from tavlad.store.store import Store

DESCRIPTORS = 40  # per cluster


def training(place: Workplace) -> Part:
    """The runs and rows of this module; saves the checkpoint for `tavlad predict`."""
    sizes = place.sizes
    model = new_model(place)
    save_checkpoint(place.folder / "model.safetensors", model, _facts(place))
    runs: dict[str, Run] = {
        "stage 1": lambda: train_stage1(place),
        "stage 2": lambda: train_stage2(place),
        "bare stage 2": timed(_bare_step(place)),
        "evaluate": timed(lambda: _evaluate(place)),
    }
    network = f"the bare network in {place.precision}"
    frames = sizes.clips * place.decode.frames
    evaluate = Row(
        "evaluating a clip",
        "clips/s",
        sizes.clips,
        lambda best: best["evaluate"],
        network_seconds(place, frames),
        f"{network}, on the clips' frames",
    )
    tune = Row(
        f"stage 2 step, {sizes.tuned} clips",
        "clips/s",
        sizes.tuned,
        lambda best: best["stage 2"],
        lambda best: best["bare stage 2"],
        f"{network} on the same batch: the trunk without gradients, forward and backward pass of layer 4",
    )
    return Part(runs, [_stage1_row(place), tune, evaluate])


def _stage1_row(place: Workplace) -> Row:
    count = place.sizes.trained

    def recomputed(best: Best) -> float:
        read = best["reading frames"] / place.sizes.clips
        return best["stage 1"] + count * read + network_seconds(place, count * place.decode.frames)(best)

    return Row(
        f"stage 1 step, {place.stage1.batch} clips",
        "clips/s",
        count,
        lambda best: best["stage 1"],
        product_seconds(place, count * stage1_flop(place)),
        "its matrix products at the GEMM rate of float32, in which stage 1 computes",
        recomputed,
        "no cached features: the same step, after reading the frames and a pass of the bare network",
    )


def stage1_flop(place: Workplace) -> float:
    """FLOP of the matrix products per clip in stage 1: VLAD and attention forward, the GRU forward and backward."""
    T, K, D = place.decode.frames, place.codebook.clusters, place.stage1.hidden
    C = RESNET.channels["resnet34"]
    N = (-(-place.extract.crop // 32)) ** 2  # locations
    frozen = T * (2 * 2 * N * C * K + 2 * C * IMAGENET_CLASSES + 2 * N * C)
    # three gates; input products need the gradient of the weights only, memory products that of both operands
    gru = T * K * 2 * 3 * (2 * C * D + 3 * D * D)
    return float(frozen + gru + 3 * 2 * K * D * place.sizes.classes)


def new_model(place: Workplace) -> TAVLAD:
    """A whole model as at the start of stage 1, with centres from these maps."""
    with quiet():
        found = sample_descriptors(place.maps, place.ids(place.sizes.videos), DESCRIPTORS * place.codebook.clusters, 1)
    centers, _ = fit_codebook(found, place.codebook.clusters, 10, place.stage1.alpha, 1)
    weights = load_backbone(place.backbone)
    model = stage1.build_model(centers, weights, place.stage1.model(place.sizes.classes, weights.network), 1)
    stage2.attach_backbone(model, weights)
    return model


def _bare_step(place: Workplace) -> Callable[[], None]:
    """The network's part of a step of stage 2, with all batch-norm folded."""
    images = bare_images(place, place.sizes.tuned * place.decode.frames)
    low = bare_network(place.backbone, place.device, DTYPES[place.precision])["trunk"]
    layer4 = bare_network(place.backbone, place.device, torch.float32)["layer4"]

    def step() -> None:
        with torch.no_grad():
            seen = low(images.to(DTYPES[place.precision]))
        with autocast(place.device, place.precision):
            maps = layer4(seen)
        maps.float().sum().backward()
        layer4.zero_grad(set_to_none=True)

    return step


def _evaluate(place: Workplace) -> None:
    file, examples = place.folder / "model.safetensors", place.examples(place.sizes.clips)
    inputs = Inputs(place.frames, tuple((one, "benchmark") for one in examples.ids))
    model = Input(file, file_digest(file))
    wanted = scoring.Scoring("stage2", examples, classes(place), inputs, model, place.precision, deterministic=True)
    shutil.rmtree(place.folder / "store", ignore_errors=True)
    with quiet():
        made(Store.open(), "evaluate", scoring.make_scores, wanted, Speed(place.device, place.cores, "benchmark"))


def classes(place: Workplace) -> tuple[str, ...]:
    """The class names."""
    return tuple(f"class {number}" for number in range(place.sizes.classes))


def _facts(place: Workplace) -> Facts:
    numbers = place.decode
    sizes = numbers.frames, numbers.short_side, place.stage2.crop, numbers.jpeg_quality
    return Facts(classes(place), "auto", "benchmark", *sizes)
