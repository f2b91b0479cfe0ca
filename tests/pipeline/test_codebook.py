"""The codebook command over features with fewer kinds of descriptors than clusters."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.codebook import main
from tavlad.data.table import Clip, Split, write_classes, write_clips, write_split
from tavlad.features.cache import write_maps
from tests.stages import own_code


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize(("kinds", "empty"), [(3, 1), (4, 0)])
def test_empty_clusters_are_a_warning_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: int, empty: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    Path("params.yaml").write_text("clusters: 4\nalpha: 10.0\nseed: 1\ncodebook:\n  descriptors: 16\n  iterations: 5\n")
    Path("index").mkdir()
    Path("features/a").mkdir(parents=True)
    write_clips(Path("index/clips.csv"), [Clip("a/one", "a/one.avi", "a", "g", "0", "present")])
    write_split(Path("index/split1.csv"), Split(("a/one",), (), ()))
    write_classes(Path("index/classes.txt"), ["a"])
    maps = np.eye(8, dtype=np.float16)[np.arange(16) % kinds].reshape(1, 4, 2, 2, 8).transpose(0, 1, 4, 2, 3)
    write_maps(Path("features/a/one.h5"), "a/one", maps, "recipe", [None], {})
    for _ in range(2):  # computed, then found in the store
        outcome = CliRunner().invoke(
            main, [own_code("codebook"), "split1", "index", "features", "codebook.safetensors"]
        )
        assert outcome.exit_code == 0, outcome.output
        assert "4 clusters of 16 descriptors in " in outcome.output and f" {empty} empty, " in outcome.output
        assert ("warning: codebook@split1: 1 of 4 clusters are empty" in outcome.output) == bool(empty)
