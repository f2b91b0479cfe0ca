"""`tavlad doctor dvc` removes what DVC was killed while writing, at any byte, and nothing that is whole."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tavlad.commands import repair

LOCK = Path(__file__).parents[2] / "dvc.lock"
RWLOCK = '{"read": {"a.py": [{"pid": 1, "cmd": "dvc repro"}]}, "write": {}}'
WHOLE = "doctor dvc: DVC's files are complete\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(repair, "PAUSE", 0)
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    paths = {"lock": tmp_path / "dvc.lock", "rwlock": tmp_path / ".dvc" / "tmp" / "rwlock"}
    paths["lock"].write_text(LOCK.read_text())
    paths["rwlock"].write_text(RWLOCK)
    return paths


def test_whole_files_stay(files: dict[str, Path]) -> None:
    result = CliRunner().invoke(repair.repair)
    assert (result.exit_code, result.output) == (0, WHOLE)
    assert files["lock"].read_text() == LOCK.read_text() and files["rwlock"].read_text() == RWLOCK


@pytest.mark.parametrize("name", ["lock", "rwlock"])
@pytest.mark.parametrize("share", [0, 0.01, 0.9])
def test_a_torn_file_goes_alone(files: dict[str, Path], name: str, share: float) -> None:
    whole = files[name].read_text()
    files[name].write_text(whole[: int(share * len(whole))])
    if name == "lock" and share:
        files[name].write_text(files[name].read_text() + "\n  {")
    result = CliRunner().invoke(repair.repair)
    assert result.exit_code == 0 and str(files[name].relative_to(Path.cwd())) in result.output
    assert [key for key, path in files.items() if path.exists()] == [key for key in files if key != name]


def test_a_file_that_is_just_being_written_stays(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    os.truncate(files["rwlock"], 0)
    monkeypatch.setattr(repair.time, "sleep", lambda _: files["rwlock"].write_text(RWLOCK))
    assert CliRunner().invoke(repair.repair).output == WHOLE
    assert files["rwlock"].exists()


def test_without_files_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(repair.repair).exit_code == 0
