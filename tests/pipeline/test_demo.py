"""The stage `demo` as it is called: written once, published again from the store, and refused for too few groups."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.demo import main
from tavlad.demo import generator
from tests.stages import own_code


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the clips that were encoded; what encoding gives is tested with the library."""
    ids = []

    def write(clip: generator.DemoClip, root: Path) -> None:
        ids.append(clip.id)
        path = root / f"{clip.id}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(clip.id)

    monkeypatch.setattr(generator.DemoClip, "write", write)
    return ids


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    return tmp_path


def run(project: Path, groups: int) -> Result:
    (project / "params.yaml").write_text(f"demo: {{seed: 2, groups: {groups}, clips: 1}}\n")
    return CliRunner().invoke(main, [own_code("demo"), "out"])


def written(project: Path) -> dict[str, bytes]:
    return {str(path.relative_to(project)): path.read_bytes() for path in project.glob("out/**/*.*")}


def test_writes_once_and_publishes_again(project: Path, encoded: list[str]) -> None:
    result = run(project, 3)
    assert result.exit_code == 0, result.output
    assert result.stdout == "demo: 24 clips, 8 classes, 3 groups, seed 2, in out\n"
    first = written(project)
    assert len(encoded) == 24 and len(first) == 24 + 8 + 1
    (project / "out/boxes.csv").unlink()
    (project / "out/stranger.txt").touch()
    result = run(project, 3)
    assert result.exit_code == 0, result.output
    assert written(project) == first and len(encoded) == 24


def test_another_parameter_is_another_data_set(project: Path, encoded: list[str]) -> None:
    run(project, 3)
    run(project, 4)
    assert len(encoded) == 24 + 32 and len(written(project)) == 32 + 8 + 1


def test_refuses_fewer_groups_than_splits(project: Path) -> None:
    result = run(project, 2)
    assert result.exit_code == 1
    assert "demo.groups" in result.output and "3" in result.output
    assert not (project / "out").exists()
