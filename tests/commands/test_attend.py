"""The film of a tiny model: what it shows is what the model says of the first frames, and of all."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from tavlad.cli import main
from tavlad.commands import attend
from tavlad.features.views import centre_view
from tavlad.learning import scoring
from tavlad.learning.prediction import PLEA, load_scorer, predict_all
from tavlad.model.tavlad import TAVLAD
from tavlad.video.frames import from_jpeg, to_jpeg
from tavlad.video.reader import read_clip
from tests.commands.made import CLASSES, make_model

CPU = torch.device("cpu")


def run(clip: Path, model: Path, output: Path) -> Result:
    return CliRunner().invoke(main, ["attend", str(clip), "--model", str(model), "-o", str(output), "--device", "cpu"])


def test_a_film_of_all_frames_is_written(clip: Path, model: Path, tmp_path: Path) -> None:
    outcome = run(clip, model, tmp_path / "new" / "film.mp4")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.splitlines()[-1] == f"attend: {tmp_path}/new/film.mp4"
    with av.open(tmp_path / "new" / "film.mp4") as film:
        stream = film.streams.video[0]
        assert (stream.average_rate, stream.width, stream.height) == (15, 96 * 5 + 360, 80 * 5)
        assert sum(1 for _ in film.decode(stream)) == 9
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["film.mp4"]


def test_running_probabilities_end_where_predict_does_and_begin_with_one_frame(clip: Path, model: Path) -> None:
    decoded, watched = attend.see(clip, load_scorer(model, CPU))
    (said,) = predict_all([str(clip)], load_scorer(model, CPU), jobs=1)
    final = dict(zip(said.classes, said.probabilities, strict=True))
    np.testing.assert_allclose(watched.probabilities[-1], [final[name] for name in CLASSES], atol=1e-6)
    network = TAVLAD.from_checkpoint(model)
    levels = centre_view(torch.from_numpy(from_jpeg(to_jpeg(read_clip(clip, 3, 80).frames, 95))), 64)
    frames = network.network().normalised(levels)
    with torch.no_grad():
        for t in (1, 2):
            expected = network(frames[None, :t])[0].softmax(dim=0)
            np.testing.assert_allclose(watched.probabilities[t - 1], expected, atol=1e-5)
        assert network.attention is not None
        expected = network.attention(torch.relu(network.maps_of(frames[None])[1][0]))
    np.testing.assert_allclose(watched.attention, expected, atol=1e-5)
    assert watched.attention.shape == (3, 2, 2) and watched.indices == decoded.indices == [1, 4, 7]


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"attention": "none"}, "attention: none"), ({"pooling": "avg", "attention": "none"}, "pooling: avg")],
)
def test_a_model_without_attention_is_refused_by_its_setting(
    clip: Path, tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    outcome = run(clip, make_model(tmp_path / "blind", **changes), tmp_path / "film.mp4")
    assert outcome.exit_code == 1 and f"no attention map to show: it was trained with {named}" in outcome.output
    assert not (tmp_path / "film.mp4").exists()


def test_a_stage_1_model_is_refused(clip: Path, tmp_path: Path) -> None:
    outcome = run(clip, make_model(tmp_path / "first", backbone=False), tmp_path / "film.mp4")
    assert outcome.exit_code == 1 and "is a stage 1 model" in outcome.output


def test_what_is_no_video_is_named_and_leaves_nothing(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.avi").write_text("no film")
    outcome = run(tmp_path / "text.avi", model, tmp_path / "film.mp4")
    assert outcome.exit_code == 1 and "text.avi" in outcome.output and "cannot be opened as a video" in outcome.output
    assert [path.name for path in tmp_path.iterdir()] == ["text.avi"]


def test_neither_the_clip_is_overwritten_nor_a_form_guessed(clip: Path, model: Path, tmp_path: Path) -> None:
    before = clip.read_bytes()
    assert "overwrite the clip" in run(clip, model, tmp_path / "." / "clip.mp4").output
    assert clip.read_bytes() == before
    outcome = run(clip, model, tmp_path / "film.gif")
    assert outcome.exit_code == 2 and "does not end in .mp4" in outcome.output


def test_an_error_that_nobody_foresaw_is_told_with_its_clip(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compose(*_: object) -> None:
        raise ValueError("odd\n numbers")

    monkeypatch.setattr(attend, "compose", compose)
    outcome = run(clip, model, tmp_path / "film.mp4")
    assert outcome.exit_code == 1 and f"  {clip}: ValueError: odd numbers ({PLEA})" in outcome.stderr
    assert "Traceback" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "Error: the GPU failed"),
        (KeyboardInterrupt(), "Aborted!"),
    ],
)
def test_what_is_not_the_clips_fault_does_not_name_it(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, said: str
) -> None:
    def maps_of_frames(*_: object) -> None:
        raise error

    monkeypatch.setattr(scoring, "maps_of_frames", maps_of_frames)
    outcome = run(clip, model, tmp_path / "film.mp4")
    assert outcome.exit_code == 1 and said in outcome.stderr and str(clip) not in outcome.stderr


def test_a_film_that_cannot_be_written_is_not_the_clips_fault(clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = run(clip, model, tmp_path / "file" / "film.mp4")
    said = f"Error: {tmp_path}/file/film.mp4 cannot be written: FileExistsError"
    assert outcome.exit_code == 1 and outcome.stderr.splitlines()[-1].startswith(said)


def test_a_folder_named_like_a_protocol_is_a_folder(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run(clip, model, Path("http:%03d", "film[1].mp4"))
    assert outcome.exit_code == 0, outcome.output
    assert [path.name for path in Path("http:%03d").iterdir()] == ["film[1].mp4"]
