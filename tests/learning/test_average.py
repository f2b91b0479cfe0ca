"""Average pooling under a linear layer: against naive loops, the model's own pooling, and scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tavlad.data.table import Examples
from tavlad.device import Speed
from tavlad.features.cache import write_maps
from tavlad.learning.average import PENALTIES, Average, choose_penalty, group_folds, linear_logits, make_average
from tavlad.learning.pooled import Pooled, make_pooled, pooled_maps, read_pooled
from tavlad.learning.scores import Predictions
from tavlad.model.backbone import family_of
from tavlad.model.settings import Features, NetworkName
from tavlad.store.inputs import Input, Inputs
from tavlad.store.making import Place
from tests.models import small_model

GROUPS = tuple(f"group {number}" for number in range(10))
CLASSES = ("a", "b", "c")


def place(path: Path) -> Place:
    return Place(None, "average", "key", path)  # type: ignore[arg-type] # a maker writes to its path alone


@pytest.fixture
def maps() -> np.ndarray:
    """Three views, (V, T, C, H, W), as they are before a ReLU."""
    return np.random.default_rng(0).normal(size=(3, 4, 512, 2, 3)).astype(np.float16)


def test_means_are_those_of_a_loop_over_frames_and_locations(maps: np.ndarray) -> None:
    total = np.zeros(512)
    for frame in maps[0]:
        for y in range(2):
            for x in range(3):
                total += np.maximum(frame[:, y, x].astype(np.float64), 0)
    np.testing.assert_allclose(pooled_maps(maps[0], "resnet34", "pre_relu"), total / (4 * 2 * 3), rtol=1e-6)
    assert pooled_maps(maps[0], "resnet34", "relu").dtype == np.float32


@pytest.mark.parametrize("features", ["relu", "pre_relu"])
@pytest.mark.parametrize("network", ["resnet34", "efficientnet_b0"])
def test_means_are_what_the_model_pools(maps: np.ndarray, network: NetworkName, features: Features) -> None:
    model = small_model(3, 1, False, pooling="avg", attention="none", features=features, network=network)
    seen: list[torch.Tensor] = []
    model.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    maps = np.tile(maps, (1, 1, 3, 1, 1))[:, :, : family_of(network).channels[network]]
    view = np.maximum(maps[0], 0) if features == "relu" else maps[0]
    model.forward_maps(torch.from_numpy(view)[None])
    np.testing.assert_allclose(pooled_maps(view, network, features), seen[0][0].numpy(), rtol=1e-5)


@pytest.mark.parametrize("workers", [0, 3])
def test_the_first_view_of_each_clip_is_read_and_kept(maps: np.ndarray, tmp_path: Path, workers: int) -> None:
    names = ("run/x", "größe/b c", "a")
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_maps(tmp_path / f"{name}.h5", name, maps * (number + 1), "r", [None] * 3, {})
    inputs = Pooled(Inputs(tmp_path, tuple((name, "r") for name in names)), "resnet34", "relu")
    make_pooled(place(tmp_path / "made"), inputs, Speed(torch.device("cpu"), workers, "averaging"))
    found = read_pooled(tmp_path / "made")
    assert tuple(found) == names
    for number, name in enumerate(names):
        np.testing.assert_array_equal(found[name], pooled_maps(maps[0] * (number + 1), "resnet34", "relu"))


def drawn(clips: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features (N, 20) of very different scales, labels of three classes, ten groups of equal size."""
    rng = np.random.default_rng(seed)
    labels = np.arange(clips) % 3
    features = (rng.normal(size=(3, 20))[labels] + rng.normal(size=(clips, 20)) * noise) * np.geomspace(0.01, 100, 20)
    return features.astype(np.float32), labels, [GROUPS[number // 3 % 10] for number in range(clips)]


@pytest.mark.parametrize("noise", [0.3, 2.0, 5.0])
def test_the_classifier_is_that_of_scikit_learn(noise: float) -> None:
    features, labels, groups = drawn(180, noise)
    asked = drawn(30, noise, seed=1)[0]
    grid = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        {"logisticregression__C": [1 / penalty for penalty in PENALTIES]},
        cv=GroupKFold(5),
    ).fit(features.astype(np.float64), labels, groups=groups)
    penalty = choose_penalty(features, labels, groups)
    assert 1 / penalty == grid.best_params_["logisticregression__C"]
    found = linear_logits(features, labels, penalty, asked, 3)
    np.testing.assert_allclose(found, grid.decision_function(asked.astype(np.float64)), rtol=1e-5, atol=1e-6)
    assert (found.argmax(axis=1) == grid.predict(asked)).all()


def test_noise_asks_for_a_stronger_penalty() -> None:
    assert choose_penalty(*drawn(180, 8.0)) > min(PENALTIES)
    features, labels, groups = drawn(180, 0.01)
    assert choose_penalty(features, labels, groups) == max(PENALTIES)  # all are right: the strongest of equals


@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_groups_are_never_split_over_folds(count: int) -> None:
    groups = [f"g{number}" for number in np.random.default_rng(count).permutation(np.arange(160) % count)]
    folds = group_folds(groups)
    assert len(folds) == min(5, count)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(160))
    for learned, held_out in folds:
        assert not {groups[row] for row in learned} & {groups[row] for row in held_out}
        assert len(learned) + len(held_out) == 160 and len(held_out)


def test_few_groups_and_few_classes_are_no_error() -> None:
    features, labels, _ = drawn(12, 0.1)
    assert group_folds(["one"] * 12) == [] and choose_penalty(features, labels, ["one"] * 12) == max(PENALTIES)
    # each fold lacks the class that it is tested on
    assert choose_penalty(features, labels, [f"group of {label}" for label in labels]) == max(PENALTIES)
    two = linear_logits(features[labels < 2], labels[labels < 2], 1.0, features, 3)
    assert (two[:, :2].argmax(axis=1) == labels)[labels < 2].all()
    assert (two[:, 2] < two[:, :2].min()).all() and np.isfinite(two).all()
    only = linear_logits(features[labels == 1], labels[labels == 1], 1.0, features, 3)
    assert (only.argmax(axis=1) == 1).all()


class Project:
    """Pooled means of 90 training and 30 held-out clips in a file."""

    def __init__(self, folder: Path, held_out: slice = slice(None)):
        features, labels, groups = drawn(120, 2.0)
        self.folder, self.features = folder, features
        ids = [f"clip {number}" for number in range(120)]
        self.learned = Examples(tuple(ids[:90]), tuple(labels[:90].tolist()))
        self.groups = tuple(groups[:90])
        self.held_out = Examples(tuple(ids[90:][held_out]), tuple(labels[90:][held_out].tolist()))
        self.means = dict(zip(ids, features, strict=True))

    def predictions(self, name: str) -> Predictions:
        for clip, mean in self.means.items():
            view = np.broadcast_to(mean[:, None, None], (1, 1, 20, 1, 1)).astype(np.float16)
            (self.folder / name).mkdir(exist_ok=True)
            write_maps(self.folder / name / f"{clip}.h5", clip, view, "r", [None], {})
        maps = Inputs(self.folder / name, tuple((clip, "r") for clip in self.means))
        pooled = self.folder / f"{name}.pooled"
        make_pooled(place(pooled), Pooled(maps, "resnet34", "pre_relu"), Speed(torch.device("cpu"), 0, "averaging"))
        wanted = Average(self.learned, self.groups, self.held_out, CLASSES, Input(pooled, ""))
        make_average(place(self.folder / f"{name}.h5"), wanted, None)
        return Predictions.load(self.folder / f"{name}.h5")


def test_held_out_clips_do_not_influence_what_is_learned(tmp_path: Path) -> None:
    project = Project(tmp_path)
    whole = project.predictions("whole")
    assert whole.ids == project.held_out.ids and whole.top1 > 0.5
    assert whole.labels.tolist() == list(project.held_out.labels)
    for number, clip in enumerate(project.held_out.ids[10:]):  # others become something else
        project.means[clip] = np.full(20, 50 * number, np.float32)
    project.held_out = Examples(project.held_out.ids, tuple(1 - label % 2 for label in project.held_out.labels))
    changed = project.predictions("changed")
    np.testing.assert_allclose(changed.logits[:10], whole.logits[:10], rtol=1e-6)
    fewer = Project(tmp_path, slice(0, 10)).predictions("fewer")
    np.testing.assert_allclose(fewer.logits, whole.logits[:10], rtol=1e-6)


def test_the_same_clips_give_the_same_bytes_with_any_number_of_threads(tmp_path: Path) -> None:
    for threads in (1, 4, 4):
        with threadpool_limits(threads):
            Project(tmp_path).predictions(f"run {len(list(tmp_path.iterdir()))}")
    seen = {file.read_bytes() for file in tmp_path.glob("run *.h5")}
    assert len(list(tmp_path.glob("run *.h5"))) == 3 and len(seen) == 1
