"""Damaged and odd files: a short version of `make faults`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.corpus import corpus
from tests.faults.source_videos import make_sources

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[2]


def test_every_file_gives_the_right_frames_or_a_reason(tmp_path):
    options = ["--files", "150", "--folder", str(tmp_path / "faults"), "--deadline", "10", "--no-samples"]
    command = [sys.executable, "-m", "tests.faults.fuzz", *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "150 files, 0 wrongs" in done.stdout, done.stdout + done.stderr
    outcomes = {cells[1].strip(): cells for line in done.stdout.splitlines() if len(cells := line.split("│")) > 5}
    assert outcomes["endless"][6].strip() == "1" and outcomes["bomb"][7].strip() == "4"  # by deadline and memory


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return make_sources(tmp_path_factory.mktemp("films") / "sources", 1, False)


def test_the_corpus_is_determined_by_its_seed(tmp_path, sources):
    """Only for damage to existing videos; newly encoded ones contain random numbers of their containers."""

    def written(name: str, seed: int) -> list[tuple[Path, tuple[int, ...], bytes]]:
        cases = corpus(tmp_path / name, 120, seed, sources)
        return [
            (case.path.relative_to(tmp_path / name), case.shows, case.path.read_bytes() if case.source else b"")
            for case in cases
        ]

    first = written("first", 1)
    assert first == written("again", 1)
    assert first != written("other", 2)


def test_the_corpus_has_every_kind(tmp_path, sources):
    kinds = {case.kind for case in corpus(tmp_path / "corpus", 60, 1, sources)}
    assert {"truncated", "flipped_bits", "lying_count", "wrong_suffix", "bomb", "endless", "two_films"} <= kinds
    assert len(kinds) == 42
