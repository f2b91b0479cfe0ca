"""Classification of arbitrary video files: decoded ahead as in stage decode, scored one by one as in evaluate."""

import os
import traceback
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from tavlad import console
from tavlad import device as devices
from tavlad.errors import InputError, TavladError, is_gpu_failure
from tavlad.learning.scoring import Scorer
from tavlad.prediction import Prediction
from tavlad.store.locking import scratch
from tavlad.video.decode import decode_clip
from tavlad.video.jpeg import load_frames
from tavlad.video.workers import Failure, supervise

DEADLINE, MEGABYTES = 600.0, 4000  # to decode one video: enough for an hour of video, and for 25 frames of 8K
Outcome = tuple[int, str, np.ndarray | str]  # place, path, and logits float32 (Y) or an error message
PLEA = "unexpected error: please report it with its traceback"


@contextmanager
def gpu_named() -> Iterator[None]:
    """Like `gpu_explained` in the stages, for commands that do not read params.yaml."""
    try:
        yield
    except RuntimeError as error:
        if not is_gpu_failure(error):
            raise
        advice = "Free its memory, or use --device cpu."
        raise TavladError(f"the GPU failed: {console.reason(error)}. {advice}") from error


def load_scorer(model: Path, device: torch.device) -> Scorer:
    """The scorer of a stage 2 model, which knows its preprocessing of frames; InputError for anything else."""
    try:
        with gpu_named():
            scorer = Scorer(model, device)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        advice = "name a folder below data/stage2"
        raise InputError(f"{model} contains no readable model ({console.reason(error)}): {advice}.") from error
    if scorer.facts.frames is None:
        raise InputError(f"{model} is a stage 1 model, which has no backbone: name a folder below data/stage2.")
    return scorer


def checkpoint_file(model: Path) -> Path:
    """The file of a model given as a file or as its folder."""
    return model / "model.safetensors" if model.is_dir() else model


def predict_file(path: str | PathLike[str], model: str | PathLike[str], device: str) -> Prediction:
    """`tavlad.predict`: decoding runs in its own process, so a hostile video can crash only that."""
    file = checkpoint_file(Path(model).resolve())
    changed = file.stat().st_mtime_ns if file.exists() else 0
    (prediction,) = predict_all([os.fspath(path)], _kept(file, device, changed), jobs=1)
    if prediction.error:
        raise InputError("no prediction", [(prediction.path, prediction.error)])
    return prediction


@lru_cache(maxsize=1)
def _kept(model: Path, device: str, changed: int) -> Scorer:
    """The scorer of a model; `changed` is the modification time of its file (ns)."""
    return load_scorer(model, devices.choose(device))


def predict_all(paths: Iterable[str], scorer: Scorer, jobs: int) -> Generator[Prediction, None, None]:
    """The prediction or the error of each video, in order; `jobs` supervised processes decode ahead.

    `paths` are read as decoders become free, so only frames already decoded wait.
    """
    waiting: dict[int, tuple[str, np.ndarray | str]] = {}  # by position, until all earlier ones have finished
    place = 0
    with closing(_as_they_come(paths, scorer, jobs)) as finished:
        for number, path, outcome in finished:
            waiting[number] = path, outcome
            while place in waiting:
                path, outcome = waiting.pop(place)
                yield Prediction(path, error=outcome) if isinstance(outcome, str) else _ranked(path, outcome, scorer)
                place += 1


def _as_they_come(paths: Iterable[str], scorer: Scorer, jobs: int) -> Generator[Outcome, None, None]:
    """The outcome of each path, in any order."""
    facts = scorer.facts
    with scratch() as folder:

        def orders() -> Iterator[tuple[str, str, str, int, int, int, str]]:
            assert facts.frames and facts.short_side and facts.jpeg_quality, "load_scorer() has seen to it"
            for number, path in enumerate(paths):
                file = str(folder / f"{number}.h5")
                yield path, file, str(number), facts.frames, facts.short_side, facts.jpeg_quality, ""

        decoded: Any = supervise(decode_clip, orders(), jobs, DEADLINE, MEGABYTES)
        with closing(decoded):  # before the folder is removed
            for (path, file, number, *_), outcome in decoded:
                yield int(number), path, _scored(Path(file), outcome, scorer)


def _scored(file: Path, outcome: object, scorer: Scorer) -> np.ndarray | str:
    """Logits float32 (Y) of a file of frames, which is deleted, or an error message; a GPU failure is raised."""
    try:
        if isinstance(outcome, Failure):
            return outcome.reason
        with gpu_named():
            return scorer.of_frames(load_frames(file))[0]
    except TavladError:
        raise
    except Exception as error:
        traceback.print_exc()  # needed to fix it
        return f"{console.reason(error)} ({PLEA})"
    finally:
        file.unlink(missing_ok=True)


def _ranked(path: str, logits: np.ndarray, scorer: Scorer) -> Prediction:
    """The classes by decreasing logits float32 (Y), ties in class order."""
    probabilities = torch.from_numpy(logits).softmax(dim=0).numpy()
    order = np.argsort(-logits, kind="stable")
    classes = tuple(scorer.facts.classes[place] for place in order)
    return Prediction(path, classes, tuple(probabilities[order].tolist()), tuple(logits[order].tolist()))
