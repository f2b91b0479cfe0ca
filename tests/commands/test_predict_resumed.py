"""Runs of `tavlad predict` that are killed, resumed, cut off, or in the way of a file."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tavlad.cli import main
from tests.commands.made import make_clip, make_model

pytestmark = pytest.mark.whole  # kills processes, or decodes minutes of video

ROOT = Path(__file__).parents[2]
CLIPS = 24


def words(model: Path, *arguments: object) -> list[str]:
    return ["predict", *map(str, arguments), "--model", str(model), "--device", "cpu", "--jobs", "1"]


def run(model: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, words(model, *arguments))


def started(model: Path, *arguments: object, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tavlad.cli", *words(model, *arguments)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, **options)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos; one has a name of several lines, one no video in it."""
    folder = tmp_path_factory.mktemp("clips")
    first = make_clip(folder / "00.mp4")
    for number in range(1, CLIPS - 3):
        os.link(first, folder / f"{number:02}.mp4")
    for name in ('new\nline, "q".mp4', "caf\udce9\r.mp4"):
        os.link(first, folder / name)
    (folder / "05 bad.avi").write_text("no film")
    return folder


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_killed_and_resumed_the_file_is_that_of_a_run_that_nobody_disturbed(
    clips: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    whole, output = tmp_path / f"whole.{suffix}", tmp_path / f"out.{suffix}"
    assert run(model, clips, "-o", whole).exit_code == 1
    running = started(model, clips, "-o", output)
    while not output.exists() or output.read_bytes().count(b"\n") < 4:
        assert running.poll() is None
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    killed = output.read_bytes()
    assert whole.read_bytes().startswith(killed) and len(killed) < len(whole.read_bytes())
    outcome = run(model, clips, "-o", output, "--resume")
    assert outcome.exit_code == 1 and "1 of 24 clips failed" in outcome.stderr
    assert output.read_bytes() == whole.read_bytes()
    (scratch,) = tmp_path.glob("tavlad-*")
    assert list(scratch.iterdir()) == []  # what the killed run left there is gone too


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_row_that_is_cut_short_anywhere_is_made_again(model: Path, tmp_path: Path, suffix: str) -> None:
    clip, output = make_clip(tmp_path / 'new\nline, "q".mp4'), tmp_path / f"out.{suffix}"
    assert run(model, clip, "-o", output).exit_code == 0
    whole = output.read_bytes()
    for end in [*range(0, len(whole), 97), len(whole) - 1, len(whole)]:
        output.write_bytes(whole[:end])
        outcome = run(model, clip, "-o", output, "--resume")
        assert outcome.exit_code == 0 and output.read_bytes() == whole, (end, outcome.output)


def test_what_another_run_wrote_is_neither_overwritten_nor_mixed(clip: Path, model: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "other", classes=("a", "b"))
    for suffix in ("csv", "jsonl"):
        output = tmp_path / f"out.{suffix}"
        assert run(model, clip, "-o", output, "--resume").exit_code == 0
        before = output.read_bytes()
        more = make_clip(tmp_path / "more.mp4")
        refused: list[tuple[tuple[object, ...], str]] = [
            ((model, more, "-o", output), "exists: add --resume to continue it, or name another file."),
            ((other, more, "-o", output, "--resume", "--top", "3"), "cannot be resumed: "),
        ]
        if suffix == "csv":
            refused.append(((model, more, "-o", output, "--resume", "--top", "2"), "or of another --top"))
        for arguments, said in refused:
            outcome = run(*arguments)
            assert outcome.exit_code == 1 and said in outcome.stderr, outcome.output
            assert output.read_bytes() == before
        assert run(model, more, "-o", output, "--resume").exit_code == 0
        assert output.read_bytes().startswith(before) and b"more.mp4" in output.read_bytes()


@pytest.mark.parametrize("text", ["my notes", "my notes\n", '"', '{"path": 1}\n', "path,class\nx,y\n"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_of_something_else_stays_as_it_is(
    clip: Path, model: Path, tmp_path: Path, suffix: str, text: str
) -> None:
    output = tmp_path / f"out.{suffix}"
    output.write_text(text)
    outcome = run(model, clip, "-o", output, "--resume")
    assert outcome.exit_code == 1 and "cannot be resumed" in outcome.stderr and output.read_text() == text


def test_two_runs_do_not_write_one_file(clips: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    running = started(model, clips, "-o", output)
    while not output.exists() or not output.stat().st_size:
        time.sleep(0.005)
    outcome = run(model, clips, "-o", output, "--resume")
    running.kill()
    running.communicate()
    assert outcome.exit_code == 1 and "is being written by another run" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["-o", "out.txt"], "ends in neither .csv nor"),
        (["--resume"], "name a file"),
        (["-o", "-", "--resume"], "a file"),
    ],
)
def test_a_command_line_that_is_wrong_has_exit_code_2(clip: Path, model: Path, options: list[str], named: str) -> None:
    outcome = run(model, clip, *options)
    assert outcome.exit_code == 2 and named in outcome.stderr


def test_an_output_that_cannot_be_written_is_named(clip: Path, model: Path, tmp_path: Path) -> None:
    outcome = run(model, clip, "-o", tmp_path / "no" / "out.csv")
    assert outcome.exit_code == 1
    assert outcome.stderr == f"Error: {tmp_path}/no/out.csv cannot be written: No such file or directory.\n"
    (tmp_path / "zeros.csv").symlink_to("/dev/zero")
    outcome = run(model, clip, "-o", tmp_path / "zeros.csv", "--resume")
    assert outcome.exit_code == 1 and "is not a regular file" in outcome.stderr


@pytest.mark.parametrize("options", [(), ("-o", "-")])
def test_a_reader_who_goes_ends_it_without_a_word(clips: Path, model: Path, options: tuple[str, ...]) -> None:
    running = started(model, clips, *options, stdout=subprocess.PIPE)
    assert running.stdout and running.stderr
    assert b"00.mp4" in running.stdout.readline()
    running.stdout.close()
    errors = running.stderr.read().decode()
    assert running.wait() == 1 and "Traceback" not in errors and "Error" not in errors
