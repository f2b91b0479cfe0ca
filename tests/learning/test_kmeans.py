"""k-means in the network's own space, the same for any number of threads."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from tavlad.features.cache import write_maps
from tavlad.learning import codebook, kmeans

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
    found = kmeans.sample_descriptors(features, ids, count=30, seed=1)
    assert found.shape == (30, C) and found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(30))
    with_all = kmeans.sample_descriptors(features, ids, count=10_000, seed=1)
    assert with_all.shape == (3 * 4 * 9, C)  # no location twice
    everywhere = {tuple(row) for row in with_all.numpy().round(5).tolist()}
    assert {tuple(row) for row in found.numpy().round(5).tolist()} <= everywhere
    assert not torch.equal(found, kmeans.sample_descriptors(features, ids, count=30, seed=2))


def test_a_clip_gives_the_same_descriptors_whatever_the_others(features):
    both = kmeans.sample_descriptors(features, ["a/one", "a/two"], count=20, seed=1)
    alone = kmeans.sample_descriptors(features, ["a/two"], count=10, seed=1)
    assert torch.equal(both[10:], alone)


def test_the_centres_are_scikit_learns(features):
    descriptors = kmeans.sample_descriptors(features, ["a/one", "a/two", "b/three"], 1000, seed=1)
    centers, facts = kmeans.fit_codebook(descriptors, clusters=5, iterations=50, alpha=100.0, seed=3)
    expected = KMeans(5, n_init=1, max_iter=50, random_state=3).fit(descriptors.numpy())
    np.testing.assert_allclose(centers.numpy(), expected.cluster_centers_, atol=1e-5)
    assert facts.inertia == pytest.approx(expected.inertia_, rel=1e-5)
    assert facts.empty == 0 and facts.descriptors == len(descriptors)


def test_hardness_and_netvlads_alpha_against_loops(features):
    descriptors = kmeans.sample_descriptors(features, ["a/one", "a/two"], 40, seed=1)
    centers, facts = kmeans.fit_codebook(descriptors, clusters=4, iterations=50, alpha=300.0, seed=3)
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
        kmeans.fit_codebook(torch.rand(3, C), clusters=4, iterations=1, alpha=1.0, seed=1)


def test_a_codebook_survives_the_disk(tmp_path):
    centers, facts = kmeans.fit_codebook(torch.nn.functional.normalize(torch.rand(50, C)), 3, 10, 1000.0, seed=1)
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        codebook.save_codebook(file, centers, facts, "recipe")
    read, about = codebook.load_codebook(files[0])
    assert torch.equal(read, centers) and about["recipe"] == "recipe" and about["inertia"] == facts.inertia
    assert files[0].read_bytes() == files[1].read_bytes()


THREADS = """
import sys, torch
from pathlib import Path
from tavlad.learning import codebook, kmeans
generator = torch.Generator().manual_seed(0)
descriptors = torch.nn.functional.normalize(torch.rand(20000, 64, generator=generator))
centers, facts = kmeans.fit_codebook(descriptors, 32, 20, 1000.0, seed=1)
codebook.save_codebook(Path(sys.argv[1]), centers, facts, "recipe")
"""


def test_the_same_bytes_for_any_number_of_threads(tmp_path):
    files = []
    for number, threads in enumerate(["1", "2", "8", "8"]):
        files.append(tmp_path / str(number))
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", THREADS, str(files[-1])], env=environment, check=True, cwd=Path.cwd())
    assert len({file.read_bytes() for file in files}) == 1
