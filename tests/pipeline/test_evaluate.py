"""The evaluation command on a tiny model, with maps of all clips, and frames of the held-out ones and of no other."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from pipeline.evaluate import main
from tavlad.data.reversal import write_pairs
from tavlad.data.table import Clip, Split, write_classes, write_clips, write_excluded, write_split
from tavlad.features.cache import read_maps, write_maps
from tavlad.features.views import centre_view
from tavlad.learning import average, pooled, scoring
from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.learning.scores import Predictions
from tavlad.video.frames import DecodedClip, read_frames_file, write_frames
from tests.models import small_model
from tests.stages import own_code

CLASSES = ["dance", "jump", "run"]
TRAIN = ("dance/a", "jump/a", "run/a")
TEST = ("dance/b #1", "jump/b", "run/b", "run/c")


def make_frames(clip: str, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (2, 40, 48, 3), dtype=np.uint8)
    facts = dict.fromkeys(
        ("header_count", "decoded_count", "begin", "end", "rotation", "width", "height", "corrupt", "concealed"), 2
    )
    decoded = DecodedClip(
        frames=frames, indices=[0, 1], pts=[0.0, 0.04], fps=25.0, interlaced=False, pyav="1", ffmpeg="1", **facts
    )
    path = Path(f"frames/{clip}.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_frames(path, clip, decoded, 95, f"frames of {clip}, {seed}")


def make_maps(clip: str, seed: int) -> None:
    maps = np.random.default_rng(seed).random((2, 2, 512, 2, 2)).astype(np.float16)
    path = Path(f"features/{clip}.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_maps(path, clip, maps, f"maps of {clip}, {seed}", [None, None], {})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    Path("params.yaml").write_text("device: cpu\ndeterministic: true\nworkers: 1\nevaluate:\n  top: 2\n")
    index = Path("index")
    index.mkdir()
    ids = [*TRAIN, *TEST]
    write_clips(index / "clips.csv", [Clip(one, f"{one}.avi", one.split("/")[0], one, "0", "present") for one in ids])
    write_split(index / "split1.csv", Split(TRAIN, (), TEST))
    write_split(index / "split2.csv", Split(TEST, (), TRAIN))
    write_classes(index / "classes.txt", CLASSES)
    write_excluded(index / "excluded.csv", {})
    write_pairs(index / "reversals.csv", [])
    rows = "".join(f"jump/b,{frame},0,0,1,1\n" for frame in range(2))
    (index / "boxes.csv").write_text(f"clip,frame,x0,y0,x1,y1\n{rows}")
    for number, clip in enumerate([*TEST, *TRAIN]):
        make_maps(clip, number)
    for number, clip in enumerate(TEST):
        make_frames(clip, number)
    for stage, sizes in (("stage1", {}), ("stage2", {"frames": 2, "short_side": 40, "crop": 32, "jpeg_quality": 95})):
        Path(stage).mkdir()
        facts = Facts(tuple(CLASSES), "float32", "recipe", **sizes)
        save_checkpoint(Path(stage, "model.safetensors"), small_model(3, int(stage[-1]), stage == "stage2"), facts)
        Path(stage, "curve.csv").write_text("epoch,loss,accuracy,lr\n1,2.0,0.5,0.1\n")
    return tmp_path


def run(split: str = "split1") -> Result:
    return CliRunner().invoke(
        main, [own_code("evaluate"), split, "index", "features", "frames", "stage1", "stage2", "out"]
    )


def test_predictions_are_what_the_models_say_of_the_held_out_clips(project: Path) -> None:
    outcome = run()
    assert outcome.exit_code == 0, outcome.output
    first, final = Predictions.load(Path("out/predictions_stage1.h5")), Predictions.load(Path("out/predictions.h5"))
    assert sorted(final.ids) == sorted(TEST) and final.ids == first.ids and final.classes == tuple(CLASSES)
    maps_model, frames_model = small_model(3, 1, False), small_model(3, 2, True)
    for row, clip in enumerate(final.ids):
        assert CLASSES[final.labels[row]] == clip.split("/")[0]
        maps = torch.from_numpy(read_maps(Path(f"features/{clip}.h5"), 0)).float()
        levels = centre_view(torch.from_numpy(read_frames_file(Path(f"frames/{clip}.h5"))), 32)
        frames = frames_model.network().normalised(levels)
        with torch.no_grad():
            assert torch.equal(maps_model.forward_maps(maps[None])[0], torch.from_numpy(first.logits[row]))
            assert torch.equal(frames_model(frames[None])[0], torch.from_numpy(final.logits[row]))


def test_after_no_epoch_of_stage_2_its_scores_are_those_of_stage_1(project: Path) -> None:
    Path("stage2/curve.csv").write_text("epoch,loss,accuracy,lr\n")
    assert run().exit_code == 0
    for kind in ("predictions", "predictions_reversed", "predictions_shuffled", "attention"):
        assert Path(f"out/{kind}.h5").read_bytes() == Path(f"out/{kind}_stage1.h5").read_bytes()


def test_metrics_and_figures_are_written(project: Path) -> None:
    outcome = run()
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert list(metrics) == ["stage1", "stage2", "clips", "excluded", "average", "attention"]
    assert metrics["stage2"]["clips"] == metrics["clips"]["test"] == 4 and metrics["clips"]["train"] == 3
    # 32 pixels are one location: all attention is everywhere, as much in the only box as it has share
    assert metrics["attention"]["stage2"]["focus_per_class"] == {"jump": 1.0}
    assert set(metrics["attention"]["stage1"]) > {"empty_clusters", "confident_assignments", "entropy"}
    assert metrics["stage2"]["top1"] == Predictions.load(Path("out/predictions.h5")).top1
    assert list(metrics["stage1"]) == ["top1", "top2", "mean_class_accuracy", "clips", "order"]
    for stage, end in (("stage1", "_stage1"), ("stage2", "")):
        shares = {
            name: Predictions.load(Path(f"out/predictions_{name}{end}.h5")).top1 for name in metrics[stage]["order"]
        }
        assert metrics[stage]["order"] == shares and list(shares) == ["reversed", "shuffled"]
    linear = Predictions.load(Path("out/predictions_average.h5"))
    assert linear.ids == TEST and metrics["average"] == {
        "top1": linear.top1,
        "mean_class_accuracy": round(linear.mean_class_accuracy, 5),
    }
    with open("out/confused.csv", newline="") as file:
        assert sum(int(row["clips"]) for row in csv.DictReader(file)) == 4 - 4 * metrics["stage2"]["top1"]
    assert Path("out/confusion.png").read_bytes().startswith(b"\x89PNG")
    assert outcome.output.splitlines()[-1].startswith("evaluate@split1: 4 held-out clips, top-1 ")


def test_a_split_that_lost_clips_says_so(project: Path) -> None:
    write_excluded(Path("index/excluded.csv"), {"run/x": ("test", "train", ""), "run/y": ("train", "", "test")})
    assert run().output.splitlines()[-1].endswith("; clips left out by dataset.exclude: 1 train, 1 test")
    assert json.loads(Path("out/metrics.json").read_text())["excluded"] == {"train": 1, "validation": 0, "test": 1}


def test_nothing_is_computed_twice_and_the_bytes_stay(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    predict = scoring.predict_clips
    monkeypatch.setattr(scoring, "predict_clips", lambda *args: (computed.append(args[-1]), predict(*args))[1])

    def digests() -> list[str]:
        assert run().exit_code == 0
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(Path("out").iterdir())]

    assert digests() == digests() and computed == ["evaluate@split1 stage1", "evaluate@split1 stage2"]
    Path("params.yaml").write_text("device: auto\ndeterministic: true\nworkers: 0\nevaluate:\n  top: 3\n")
    digests()
    assert len(computed) == 2
    make_frames("run/c", 99)
    digests()
    assert computed[2:] == ["evaluate@split1 stage2"]
    Path("stage1/model.safetensors").unlink()
    save_checkpoint(
        Path("stage1/model.safetensors"), small_model(3, 7, False), Facts(tuple(CLASSES), "float32", "recipe")
    )
    digests()
    assert computed[3:] == ["evaluate@split1 stage1"]


def test_maps_are_averaged_once_for_all_splits_and_not_again_for_another_model(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    averaged, fitted = [], []
    mean_of, choose = pooled.pooled_maps, average.choose_penalty
    monkeypatch.setattr(pooled, "pooled_maps", lambda *given: (averaged.append(given[0].shape), mean_of(*given))[1])
    monkeypatch.setattr(average, "choose_penalty", lambda *args: (fitted.append(len(args[1])), choose(*args))[1])
    assert run().exit_code == 0
    assert (len(averaged), fitted) == (7, [3])
    for clip in TRAIN:
        make_frames(clip, 5)
    assert run("split2").exit_code == 0
    assert (len(averaged), fitted) == (7, [3, 4])
    Path("stage1/model.safetensors").unlink()
    save_checkpoint(
        Path("stage1/model.safetensors"), small_model(3, 7, False), Facts(tuple(CLASSES), "float32", "recipe")
    )
    assert run().exit_code == run("split2").exit_code == 0
    assert (len(averaged), fitted) == (7, [3, 4])
    Path("features/run/a.h5").unlink()
    make_maps("run/a", 99)
    assert run().exit_code == 0
    assert (len(averaged), fitted) == (14, [3, 4, 3])


@pytest.mark.parametrize("place", ["pooled_maps", "choose_penalty"])
def test_a_killed_comparison_gives_the_same_bytes_when_it_is_run_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(pooled if place == "pooled_maps" else average, place, kill)
        with pytest.raises(Killed):
            run()
    assert not Path("out").exists()
    assert len(list(Path("store/pooled").glob("*/*"))) == (place == "choose_penalty")
    assert run().exit_code == 0
    seen = Path("out/predictions_average.h5").read_bytes()
    monkeypatch.setenv("TAVLAD_STORE", str(project / "another"))
    assert run().exit_code == 0 and Path("out/predictions_average.h5").read_bytes() == seen


def test_deterministic_reaches_the_scoring(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    predict = scoring.predict_clips
    monkeypatch.setattr(
        scoring,
        "predict_clips",
        lambda *args: (seen.append(torch.are_deterministic_algorithms_enabled()), predict(*args))[1],
    )
    torch.use_deterministic_algorithms(False)
    try:
        assert run().exit_code == 0 and seen == [True, True]
    finally:
        torch.use_deterministic_algorithms(False)


def test_the_precision_that_auto_comes_to_is_in_the_key(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not: scores that another precision had made were found for this one."""
    save = Path("stage1/model.safetensors")
    save.unlink()
    save_checkpoint(save, small_model(3, 1, False), Facts(tuple(CLASSES), "auto", "recipe"))
    found = []
    for name in ("float32", "bfloat16", "float32"):
        monkeypatch.setattr(
            "tavlad.device.precision", lambda asked, device, name=name: name if asked == "auto" else asked
        )
        assert run().exit_code == 0
        found.append(len(list(Path("store/evaluate").glob("*/*"))))
    assert found == [2, 3, 3]


def test_a_new_run_gives_the_same_bytes_with_any_number_of_workers(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for workers in (0, 3):
        monkeypatch.setenv("TAVLAD_STORE", str(project / f"store{workers}"))
        Path("params.yaml").write_text(f"device: cpu\ndeterministic: true\nworkers: {workers}\nevaluate:\n  top: 2\n")
        assert run().exit_code == 0
        seen.add(tuple(file.read_bytes() for file in sorted(Path("out").iterdir())))
    assert len(seen) == 1


def test_all_missing_files_are_named(project: Path) -> None:
    Path("frames/run/b.h5").unlink()
    Path("features/jump/b.h5").unlink()
    outcome = run()
    assert outcome.exit_code == 1
    assert "frames/run/b.h5 is missing" in outcome.output and "features/jump/b.h5 is missing" in outcome.output
    assert not Path("out").exists()


def test_a_split_without_held_out_clips_is_an_error(project: Path) -> None:
    write_split(Path("index/split1.csv"), Split(("dance/a",), (), ()))
    outcome = run()
    assert outcome.exit_code == 1 and "has no held-out clips" in outcome.output


def test_checkpoints_that_do_not_fit_are_refused(project: Path) -> None:
    write_classes(Path("index/classes.txt"), ["dance", "run", "jump"])
    assert "stage1/model.safetensors was trained on different classes" in str(run().exception)
    write_classes(Path("index/classes.txt"), CLASSES)
    file = Path("stage2/model.safetensors")
    file.write_bytes(Path("stage1/model.safetensors").read_bytes())
    assert "stage2/model.safetensors is not a stage 2 checkpoint" in str(run().exception)
