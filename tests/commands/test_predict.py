"""`tavlad predict` on tiny videos: each clip has its answer or its reason, whatever becomes of the others."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open
from safetensors.torch import save_file

from tavlad.cli import main
from tavlad.features.cache import write_maps
from tavlad.learning import prediction, scoring
from tavlad.learning.scores import Predictions
from tavlad.learning.scoring import Scorer
from tavlad.model.backbone import Backbone
from tavlad.model.tavlad import TAVLAD
from tavlad.video.decode import decode_clip
from tests.commands import finished_project
from tests.commands.made import CLASSES, make_clip, make_model
from tests.video import hazards

REST = "All others were classified."


def run(model: Path, *arguments: object, stdin: bytes = b"") -> Result:
    words = ["predict", *map(str, arguments), "--model", str(model), "--device", "cpu", "--jobs", "2"]
    return CliRunner().invoke(main, words, input=stdin)


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def hazardous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos do what their names say."""
    monkeypatch.setattr(prediction, "decode_clip", hazards.decode_unless_named)


def test_the_most_probable_classes_come_first(clip: Path, model: Path, tmp_path: Path) -> None:
    outcome = run(model, clip, "-o", "-")
    assert outcome.exit_code == 0, outcome.output
    (row,) = rows_of(outcome.stdout)
    names, probabilities = ([one[key] for one in row["classes"]] for key in ("class", "probability"))
    assert row["path"] == str(clip) and set(names) == set(CLASSES)
    assert probabilities == sorted(probabilities, reverse=True) and sum(probabilities) == pytest.approx(1)
    shown = ", ".join(f"{name} {p:.1%}" for name, p in zip(names[:2], probabilities, strict=False))
    assert run(model, clip, "--top", "2").stdout == f"{clip}: {shown}\n"
    assert run(model, clip, "--top", "9", "-o", tmp_path / "out.csv").exit_code == 0
    with open(tmp_path / "out.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert list(line) == ["path", *(f"{k}{n}" for n in ("", 2, 3) for k in ("class", "probability")), "error", "model"]
    assert [line[f"class{n}"] for n in ("", 2, 3)] == names and line["model"] == row["model"]
    assert [float(line[f"probability{n}"]) for n in ("", 2, 3)] == probabilities


def test_logits_are_those_of_evaluate_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_clip(clip: str, seed: int) -> None:
        video, file = make_clip(Path("videos", f"{clip}.mp4"), seed, length=2), Path("data/frames", f"{clip}.h5")
        maps = Path("data/features", f"{clip}.h5")
        for one in (file, maps):
            one.parent.mkdir(parents=True, exist_ok=True)
        decode_clip(str(video), str(file), clip, 2, 80, 95, f"frames {seed}")
        write_maps(maps, clip, np.zeros((1, 2, 512, 2, 2), np.float16), f"maps {seed}", [None], {})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finished_project, "write_clip", write_clip)
    finished_project.finish()
    made = Predictions.load(Path("data/evaluate/split1/predictions.h5"))
    outcome = run(Path("data/stage2/split1"), *(f"videos/{clip}.mp4" for clip in made.ids), "-o", "-")
    assert outcome.exit_code == 0, outcome.output
    for clip, logits, row in zip(made.ids, made.logits, rows_of(outcome.stdout), strict=True):
        found = {one["class"]: one["logit"] for one in row["classes"]}
        assert row["path"] == f"videos/{clip}.mp4"
        assert np.array([found[name] for name in made.classes], np.float32).tobytes() == logits.tobytes()
    assert len({logits.tobytes() for logits in made.logits}) == len(made.ids) == 3


@pytest.mark.parametrize("top", ["0", "-1"])
def test_fewer_classes_than_one_are_refused(clip: Path, model: Path, top: str) -> None:
    outcome = run(model, clip, "--top", top)
    assert outcome.exit_code == 2 and "--top" in outcome.output and "x>=1" in outcome.output


@pytest.mark.parametrize("form", ["csv", "jsonl", "-", None])
def test_a_bad_video_costs_itself_alone_and_every_form_says_why(
    clip: Path, model: Path, tmp_path: Path, hazardous: None, form: str | None
) -> None:
    (tmp_path / "text.avi").write_text("no film")
    videos = [tmp_path / "text.avi", tmp_path / "gone.avi", make_clip(tmp_path / "crash.mp4"), clip]
    reasons = ["cannot be opened as a video", "the file is missing", "the decoder crashed (signal 11)"]
    output = tmp_path / f"out.{form}"
    outcome = run(model, *videos, *([] if form is None else ["-o", form if form == "-" else output]))
    said = (outcome.stdout if form in ("-", None) else output.read_text()).splitlines()[form == "csv" :]
    assert outcome.exit_code == 1 and len(said) == 4 and all(map(str.__contains__, said, map(str, videos)))
    assert all(map(str.__contains__, said, reasons)) and all(name in said[3] for name in CLASSES)
    assert "3 of 4 clips failed:" in outcome.stderr and "Traceback" not in outcome.stderr
    assert f"  {tmp_path}/gone.avi: the file is missing" in outcome.stderr.splitlines()
    assert outcome.stderr.splitlines()[-1] == REST


def test_rows_are_in_order_whichever_video_is_decoded_first(model: Path, tmp_path: Path, hazardous: None) -> None:
    videos = [make_clip(tmp_path / f"{name}.mp4") for name in ("a", "slow", "c", "d")]
    outcome = run(model, *videos, "-o", "-")
    assert [row["path"] for row in rows_of(outcome.stdout)] == list(map(str, videos))


def test_videos_are_named_by_folders_and_lists_too(model: Path, tmp_path: Path) -> None:
    names = ["clips/a.mp4", "clips/deep/er/b,c.MP4", 'clips/deep/new\nline "q".mp4', "other.mp4"]
    for name in names:
        make_clip(tmp_path / name)
    for name in ("notes.txt", ".hidden.mp4", "deep/.hidden/x.mp4"):
        make_clip(tmp_path / "clips" / name.replace(".txt", ".mp4")).rename(tmp_path / "clips" / name)
    videos = [str(tmp_path / name) for name in names]
    asked: list[tuple[list[object], bytes]] = [
        ([tmp_path / "clips", videos[0], videos[3]], b""),
        (["-"], f"{tmp_path}/clips\r\n\n{videos[3]}\n".encode()),
        (["-"], "\0".join(videos).encode()),
    ]
    for number, (arguments, stdin) in enumerate(asked):
        outcome = run(model, *arguments, "-o", tmp_path / f"{number}.csv", stdin=stdin)
        assert outcome.exit_code == 0, outcome.output
        with open(tmp_path / f"{number}.csv", newline="") as file:
            assert [row["path"] for row in csv.DictReader(file)] == videos
        left_out = "4 videos; 1 other file ignored (1 .txt)\n"
        assert (left_out in outcome.stderr) == (number < 2)


def test_without_a_video_nothing_is_said_to_be_good(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    outcome = run(model, tmp_path, "-", "-o", tmp_path / "out.csv")
    assert outcome.exit_code == 1 and not (tmp_path / "out.csv").exists()
    assert outcome.stderr == "Error: no videos found; 1 other file ignored (1 .txt).\n"


@pytest.mark.parametrize("error", [kind("odd\n numbers") for kind in (ValueError, RuntimeError, MemoryError)])
def test_an_error_that_nobody_foresaw_costs_its_clip_alone(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hazardous: None, error: Exception
) -> None:
    score, scored = Scorer.of_frames, []

    def of_frames(self: Scorer, frames: np.ndarray) -> scoring.Scored:
        scored.append(frames)
        if len(scored) == 1:
            raise error
        return score(self, frames)

    monkeypatch.setattr(Scorer, "of_frames", of_frames)
    first, odd = make_clip(tmp_path / "slow.mp4"), make_clip(tmp_path / "odd.mp4")
    outcome = run(model, odd, clip, first)
    assert outcome.exit_code == 1 and outcome.stdout.count("failed: ") == 2
    kind = type(error).__name__
    assert f"  {clip}: {kind}: odd numbers ({prediction.PLEA})" in outcome.stderr.splitlines()
    assert f"  {odd}: KeyError: 'odd\\n numbers'" in outcome.stderr.splitlines()
    assert "Traceback" in outcome.stderr and outcome.stderr.splitlines()[-1] == REST


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "Error: the GPU failed"),
        (RuntimeError("CUDA error: an illegal memory access"), "Error: the GPU failed"),
        (KeyboardInterrupt(), "Aborted!"),
    ],
)
def test_what_is_no_clips_fault_ends_the_run_at_once(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, said: str
) -> None:
    def maps_of_frames(*_: object) -> None:
        raise error

    monkeypatch.setattr(scoring, "maps_of_frames", maps_of_frames)
    outcome = run(model, clip, make_clip(tmp_path / "last.mp4"))
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert said in outcome.stderr and ".mp4" not in outcome.stderr


def test_a_model_of_a_network_that_is_not_known_is_named(clip: Path, model: Path, tmp_path: Path) -> None:
    with safe_open(model / "model.safetensors", framework="pt") as opened:
        header = json.loads(opened.metadata()["tavlad"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is no dict)
    header["model"]["network"] = "resnet9000"
    save_file(tensors, tmp_path / "later.safetensors", metadata={"tavlad": json.dumps(header)})
    outcome = run(tmp_path / "later.safetensors", clip)
    assert outcome.exit_code == 1 and "later.safetensors contains no readable model" in outcome.stderr
    assert "resnet9000" in outcome.stderr


def test_the_model_is_loaded_once_and_an_error_of_it_is_no_clips(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, built = [], []
    load, build = scoring.load_checkpoint, Backbone.__init__
    monkeypatch.setattr(scoring, "load_checkpoint", lambda folder: (loaded.append(folder), load(folder))[1])
    monkeypatch.setattr(
        Backbone, "__init__", lambda self, *given, **named: (built.append(given), build(self, *given, **named))[1]
    )
    other, third = (make_clip(tmp_path / f"{name}.mp4") for name in ("other", "third"))
    assert run(model, clip, other, third).exit_code == 0 and loaded == [model] and len(built) == 1
    first = make_model(tmp_path / "first", backbone=False)
    unreadable = "contains no readable model"
    for wrong, said in ((first, "is a stage 1 model"), (tmp_path, unreadable), (clip, unreadable)):
        outcome = run(wrong, clip, other, "-o", tmp_path / "out.csv")
        assert (outcome.exit_code, outcome.stdout) == (1, "") and not (tmp_path / "out.csv").exists()
        assert outcome.stderr.startswith(f"Error: {wrong} {said}") and len(outcome.stderr.splitlines()) == 1


def test_a_gpu_without_room_for_the_model_is_named(clip: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def move(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(TAVLAD, "to", move)
    outcome = run(model, clip)
    assert outcome.exit_code == 1 and outcome.stderr.startswith("Error: the GPU failed")
