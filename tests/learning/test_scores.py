"""Scores against scikit-learn, files against hostile contents, fusion against sums by hand."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from tavlad.learning.scores import Predictions

CLASSES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def some() -> Predictions:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 60)  # class f has no clips
    logits = rng.normal(size=(60, 6)).astype(np.float32)
    logits[np.arange(60), labels] += 1
    return Predictions(tuple(f"clip/{i}" for i in range(60)), labels, logits, CLASSES)


def test_accuracies_are_those_of_scikit_learn(some: Predictions) -> None:
    for k in range(1, 6):
        assert some.top(k) == pytest.approx(top_k_accuracy_score(some.labels, some.logits, k=k, labels=range(6)))
    assert some.top1 == some.top(1) == some.right.mean()
    assert some.top(6) == some.top(99) == 1
    with pytest.warns(UserWarning, match="not in y_true"):
        reference = balanced_accuracy_score(some.labels, some.predicted)
    assert some.mean_class_accuracy == pytest.approx(reference)


def test_confusion_is_that_of_scikit_learn(some: Predictions) -> None:
    counts = some.confusion()
    np.testing.assert_array_equal(counts, confusion_matrix(some.labels, some.predicted, labels=range(6)))
    assert np.isnan(some.class_accuracies[5]) and not np.isnan(some.class_accuracies[:5]).any()
    for label in range(5):
        assert some.class_accuracies[label] == some.right[some.labels == label].mean()


def test_of_equal_logits_the_first_class_wins() -> None:
    tied = Predictions(("x", "y", "z"), np.array([0, 1, 2]), np.zeros((3, 3), np.float32), CLASSES[:3])
    assert [tied.top(k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert tied.confusion()[:, 0].tolist() == [1, 1, 1]


def test_confused_pairs_are_ordered_and_never_empty() -> None:
    predicted = [1, 1, 2, 0, 2, 0, 2]
    truth = np.array([0, 0, 0, 1, 1, 2, 2])
    three = Predictions(tuple("abcdefg"), truth, np.eye(3, dtype=np.float32)[predicted], CLASSES[:3])
    assert three.confused_pairs(3) == [("a", "b", 2), ("a", "c", 1), ("b", "a", 1)]
    assert len(three.confused_pairs(10)) == 5
    assert Predictions(("x",), np.array([0]), np.eye(1, 3, dtype=np.float32), CLASSES[:3]).confused_pairs(10) == []


def test_files_come_back_as_they_were_and_have_the_same_bytes(some: Predictions, tmp_path: Path) -> None:
    named = Predictions(("größe/b c", *some.ids[1:]), some.labels, some.logits, ("été", *CLASSES[1:]))
    digests = set()
    for name in ("one.h5", "two.h5"):
        named.save(tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    again = Predictions.load(tmp_path / "one.h5")
    assert (again.ids, again.classes, len(digests)) == (named.ids, named.classes, 1)
    assert (again.labels.dtype, again.logits.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(again.labels, named.labels)
    np.testing.assert_array_equal(again.logits, named.logits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5", "two.h5"]


def test_saving_leaves_other_links_of_the_file_alone(some: Predictions, tmp_path: Path) -> None:
    some.save(tmp_path / "kept.h5")
    kept = (tmp_path / "kept.h5").read_bytes()
    (tmp_path / "link.h5").hardlink_to(tmp_path / "kept.h5")
    Predictions(some.ids, some.labels, -some.logits, some.classes).save(tmp_path / "link.h5")
    assert (tmp_path / "kept.h5").read_bytes() == kept


def test_what_is_not_predictions_is_refused_by_name(some: Predictions, tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["ids"] = [1, 2]
    some.save(tmp_path / "nan.h5")
    with h5py.File(tmp_path / "nan.h5", "r+") as file:
        file["logits"][3, 2] = np.nan
    for name in ("text.h5", "other.h5", "nan.h5"):
        with pytest.raises(ValueError, match=name):
            Predictions.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Predictions.load(tmp_path / "absent.h5")


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        Predictions(("x", "x"), np.array([0, 3]), np.full((2, 3), np.inf, np.float32), ("a", "a", "b"))
    for problem in ("an id appears twice", "a class appears twice", "outside 0..2", "not a finite number"):
        assert problem in str(caught.value)
    for labels, logits in [
        (np.zeros(2, np.int64), np.zeros((2, 4), np.float32)),
        (np.zeros((2, 1), np.int64), np.zeros((2, 3), np.float32)),
        (np.zeros(2), np.zeros((2, 3), np.float32)),
        (np.zeros(2, np.int64), np.zeros((2, 3), np.int64)),
    ]:
        with pytest.raises(ValueError):
            Predictions(("x", "y"), labels, logits, CLASSES[:3])
    with pytest.raises(ValueError, match="no clips"):
        Predictions((), np.zeros(0, np.int64), np.zeros((0, 3), np.float32), CLASSES[:3])


def test_fusion_matches_clips_by_id_and_not_by_order(some: Predictions) -> None:
    order = np.random.default_rng(1).permutation(60)
    other = Predictions(tuple(some.ids[i] for i in order), some.labels[order], some.logits[order] ** 2, CLASSES)
    fused = Predictions.fuse([some, other], [0.25, 2.0])
    np.testing.assert_allclose(fused.logits, 0.25 * some.logits + 2 * some.logits**2, rtol=1e-6)
    assert fused.ids == some.ids and (fused.labels == some.labels).all()
    np.testing.assert_array_equal(Predictions.fuse([some], [1]).logits, some.logits)


def test_what_does_not_fit_is_not_fused(some: Predictions) -> None:
    renamed = Predictions(("new", *some.ids[1:]), some.labels, some.logits, CLASSES)
    fewer = Predictions(some.ids[1:], some.labels[1:], some.logits[1:], CLASSES)
    reordered = Predictions(some.ids, some.labels, some.logits, CLASSES[::-1])
    relabelled = Predictions(some.ids, (some.labels + 1) % 6, some.logits, CLASSES)
    for other, reason in ((renamed, "2 differ"), (fewer, "1 differ"), (reordered, "classes"), (relabelled, "labels")):
        with pytest.raises(ValueError, match=f"number 2.*{reason}"):
            Predictions.fuse([some, other], [1, 1])
    for members, weights in (([], []), ([some], [1, 2]), ([some, some], [1])):
        with pytest.raises(ValueError, match="one weight each"):
            Predictions.fuse(members, weights)
    with pytest.raises(ValueError, match="finite"):
        Predictions.fuse([some], [float("nan")])
