"""k-means in the network's own space, the same for any number of threads."""

import os
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.cluster import KMeans

from tavlad.features.cache import read_maps, write_maps
from tavlad.learning import codebook
from tavlad.store.inputs import rng_for

C = 16


@pytest.fixture
def features(tmp_path):
    rng = np.random.default_rng(0)
    for clip in ("a/one", "a/two", "b/three"):
        path = tmp_path / "features" / f"{clip}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_maps(path, clip, rng.random((2, 4, C, 3, 3)).astype(np.float16), f"recipe of {clip}", [None, None], {})
    return tmp_path / "features"


def test_descriptors_are_unit_length_locations_of_the_centre_view(features):
    ids = ["a/one", "a/two", "b/three"]
    found = codebook.sample_descriptors(features, ids, count=30, seed=1)
    assert found.shape == (30, C) and found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(30))
    with_all = codebook.sample_descriptors(features, ids, count=10_000, seed=1)
    assert with_all.shape == (3 * 4 * 9, C)  # no location twice
    everywhere = {tuple(row) for row in with_all.numpy().round(5).tolist()}
    assert {tuple(row) for row in found.numpy().round(5).tolist()} <= everywhere
    assert not torch.equal(found, codebook.sample_descriptors(features, ids, count=30, seed=2))


def test_a_clip_gives_the_same_descriptors_whatever_the_others(features):
    both = codebook.sample_descriptors(features, ["a/one", "a/two"], count=20, seed=1)
    alone = codebook.sample_descriptors(features, ["a/two"], count=10, seed=1)
    assert torch.equal(both[10:], alone)


def reference(features, ids, each, seed):
    """`each` locations of every clip, drawn and scaled clip by clip: (M, C)."""
    rows = []
    for clip in ids:
        located = read_maps(features / f"{clip}.h5", 0).transpose(0, 2, 3, 1).reshape(-1, C)
        rows += [located[pick] for pick in rng_for(seed, clip, 0).choice(len(located), each, replace=False)]
    return torch.nn.functional.normalize(torch.from_numpy(np.array(rows)).float())


@pytest.fixture
def read(monkeypatch):
    """The files whose maps were read."""
    files = []
    monkeypatch.setattr(codebook, "read_maps", lambda path, view: files.append(path.stem) or read_maps(path, view))
    return files


@pytest.mark.parametrize(("count", "each"), [(3, 1), (4, 2), (30, 10), (31, 11), (108, 36)])
def test_where_clips_are_not_too_many_all_are_read(features, read, count, each):
    ids = ["b/three", "a/one", "a/two"]
    found = codebook.sample_descriptors(features, ids, count, seed=5)
    assert torch.equal(found, reference(features, ids, each, seed=5))
    assert read == ["three", "one", "two"]


@pytest.mark.parametrize("count", [1, 2])
def test_of_more_clips_than_descriptors_no_more_files_are_read(features, read, count):
    ids = ["b/three", "a/one", "a/two"]
    for seed in range(10):
        read.clear()
        found = codebook.sample_descriptors(features, ids, count, seed)
        assert len(read) == count
        everything = reference(features, ids, 1, seed)
        assert torch.equal(found, everything[[clip.split("/")[1] in read for clip in ids]])


def test_every_set_of_clips_is_drawn_equally_often():
    ids = [f"class/clip{number}" for number in range(7)]
    draws = Counter(tuple(codebook.drawn_clips(ids, 3, seed)) for seed in range(3500))
    assert set(draws) <= set(combinations(ids, 3))
    counts = [draws[chosen] for chosen in combinations(ids, 3)]
    assert stats.chisquare(counts).pvalue > 0.01 and min(counts) > 60  # of each 35, 100 are expected


def test_which_clips_are_drawn_does_not_depend_on_their_order_or_on_those_that_are_not():
    ids = [f"class/clip{number}" for number in range(50)]
    drawn = codebook.drawn_clips(ids, 20, seed=1)
    assert drawn == sorted(drawn, key=ids.index) and len(set(drawn)) == 20
    assert set(codebook.drawn_clips(ids[::-1], 20, seed=1)) == set(drawn)
    without = [clip for clip in ids if clip in drawn or clip < "class/clip3"]
    assert len(without) < 50 and codebook.drawn_clips(without, 20, seed=1) == drawn
    assert codebook.drawn_clips(ids, 20, seed=2) != drawn


def test_the_centres_are_scikit_learns(features):
    descriptors = codebook.sample_descriptors(features, ["a/one", "a/two", "b/three"], 1000, seed=1)
    centers, facts = codebook.fit_codebook(descriptors, clusters=5, iterations=50, alpha=100.0, seed=3)
    expected = KMeans(5, n_init=1, max_iter=50, random_state=3).fit(descriptors.numpy())
    np.testing.assert_allclose(centers.numpy(), expected.cluster_centers_, atol=1e-5)
    assert facts.inertia == pytest.approx(expected.inertia_, rel=1e-5)
    assert facts.empty == 0 and facts.descriptors == len(descriptors)


def test_hardness_and_netvlads_alpha_against_loops(features):
    descriptors = codebook.sample_descriptors(features, ["a/one", "a/two"], 40, seed=1)
    centers, facts = codebook.fit_codebook(descriptors, clusters=4, iterations=50, alpha=300.0, seed=3)
    certain, gaps = 0, []
    for x in descriptors.double().numpy():
        squares = np.sort([((x - c) ** 2).sum() for c in centers.double().numpy()])
        p = np.exp(-300.0 * (squares - squares[0]))
        certain += (p / p.sum()).max() > 0.99
        gaps.append(squares[1] - squares[0])
    assert facts.confident == pytest.approx(certain / len(descriptors))
    assert facts.netvlad_alpha == pytest.approx(-np.log(0.01) / np.mean(gaps), rel=1e-4)


def test_more_clusters_than_descriptors_are_refused():
    with pytest.raises(ValueError, match="descriptors"):
        codebook.fit_codebook(torch.rand(3, C), clusters=4, iterations=1, alpha=1.0, seed=1)


def test_a_codebook_survives_the_disk(tmp_path):
    centers, facts = codebook.fit_codebook(torch.nn.functional.normalize(torch.rand(50, C)), 3, 10, 1000.0, seed=1)
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        codebook.save_codebook(file, centers, facts, "recipe")
    read, about = codebook.load_codebook(files[0])
    assert torch.equal(read, centers) and about["recipe"] == "recipe" and about["inertia"] == facts.inertia
    assert files[0].read_bytes() == files[1].read_bytes()


THREADS = """
import sys, torch
from pathlib import Path
from tavlad.learning import codebook
generator = torch.Generator().manual_seed(0)
descriptors = torch.nn.functional.normalize(torch.rand(20000, 64, generator=generator))
centers, facts = codebook.fit_codebook(descriptors, 32, 20, 1000.0, seed=1)
codebook.save_codebook(Path(sys.argv[1]), centers, facts, "recipe")
"""


def test_the_same_bytes_for_any_number_of_threads(tmp_path):
    files = []
    for number, threads in enumerate(["1", "2", "8", "8"]):
        files.append(tmp_path / str(number))
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", THREADS, str(files[-1])], env=environment, check=True, cwd=Path.cwd())
    assert len({file.read_bytes() for file in files}) == 1
