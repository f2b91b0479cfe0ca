"""The whole DAG on tiny clips: repeated, changed, queued."""

import json
import re
import shutil
import time
from pathlib import Path

import h5py
import pytest

from tavlad.features.backbone import network_of
from tavlad.features.cache import read_maps
from tavlad.learning.checkpoints import load_checkpoint
from tavlad.learning.scores import Predictions

pytestmark = pytest.mark.whole

CLIPS = 24
BAD = ("Ripen/v_Ripen_g01_c01", "Open/v_Open_g02_c01", "Hide/v_Hide_g03_c01", "Build/v_Build_g01_c01")


@pytest.fixture(scope="module")
def whole(new_project):
    """A project whose DAG ran to the end, undisturbed."""
    project = new_project("whole")
    project.run("dvc", "repro")
    project.commit("ran")
    return project


@pytest.fixture(scope="module")
def narrowed(whole):
    """The same project with one split left: the three are alike, and one takes a third of the time."""
    whole.keep_one_split()
    for folder in (whole.folder / "data").glob("*/split[23]"):  # `dvc checkout` would, and summary's input would change
        shutil.rmtree(folder)
    whole.run("dvc", "repro")
    whole.commit("one split")
    return whole


@pytest.mark.parametrize(
    ("network", "weights", "channels"), [("efficientnet_lite0", "imagenet", 1280), ("regnet_y_400mf", "random", 440)]
)
def test_another_network_goes_end_to_end_by_its_name_alone(new_project, network, weights, channels):
    project = new_project(network)
    project.keep_one_split()
    project.edit({"backbone": {"network": network, "weights": weights}})
    project.run("dvc", "repro")
    data = project.folder / "data"
    assert network_of(data / "backbone" / "backbone.safetensors") == network
    assert all(read_maps(file, 0).shape == (4, channels, 2, 2) for file in (data / "features").rglob("*.h5"))
    model, _ = load_checkpoint(data / "stage2" / "split1")
    assert model.settings.network == network and model.network().network == network
    clip = next((data / "demo").rglob("*.avi"))
    assert "%" in project.run("tavlad", "predict", str(clip), "--model", "data/stage2/split1").stdout
    assert not project.network_log.exists()


def ran(output: str) -> set[str]:
    """The stages that a `dvc` command really ran."""
    return {line.split("'")[1].split("@")[0] for line in output.splitlines() if line.startswith("Running stage")}


def entries(project, stage: str) -> dict[Path, int]:
    shelf = project.folder / "data" / ".store" / stage
    return {path: path.stat().st_ino for path in shelf.glob("*/*")} if shelf.exists() else {}


def test_every_artifact_is_there_and_versioned(whole):
    metrics = json.loads((whole.folder / "data" / "metrics.json").read_text())
    assert set(metrics) == {"split1", "split2", "split3", "mean"}
    for name in ("demo/boxes.csv", "index/clips.csv", "backbone/backbone.safetensors", "codebook/split3.safetensors"):
        assert (whole.folder / "data" / name).is_file()
    for name in ("stage1/split1/curve.csv", "stage2/split2/model.safetensors", "evaluate/split3/predictions.h5"):
        assert (whole.folder / "data" / name).is_file()
    assert len(list((whole.folder / "data" / "features").rglob("*.h5"))) == CLIPS
    assert whole.run("git", "status", "--porcelain").stdout == ""


def test_files_hold_what_the_architecture_page_says(whole):
    page = (whole.folder / "docs" / "architecture.md").read_text()
    table = re.search(r"\| file \| holds .*?\n\n", page, re.DOTALL)
    rows = [line.strip("| ").split(" | ") for line in table[0].strip().splitlines()[2:]]
    seen = 0
    for name, holds, attributes, *_ in rows:
        pattern = name.strip("`").replace("splitN", "split[123]").replace("stageM", "stage[12]")
        pattern = re.sub("<.*?>", "**/*", pattern)
        files = [file for file in sorted((whole.folder / "data").glob(pattern)) if file.is_file()]
        assert files or name.strip("`").endswith("/"), name
        if files and files[0].suffix == ".h5":
            with h5py.File(files[0]) as file:
                assert set(file) == set(re.findall(r"`(\w+)`", holds)), name
                assert set(file.attrs) == set(re.findall(r"`(\w+)`", attributes)), name
            seen += 1
        if files and files[0].suffix == ".csv":
            columns = re.search(r"`([\w, .]+)`", holds)[1].removesuffix(", ...").split(", ")
            assert files[0].read_text().splitlines()[0].split(",")[: len(columns)] == columns, name
            seen += 1
    assert seen > 10


def test_no_stage_opens_a_connection(whole):
    assert not whole.network_log.exists(), whole.network_log.read_text()
    connect = "import socket; socket.create_connection(('localhost', 9))"
    assert "no network" in whole.run("python", "-c", connect, check=False).stderr  # so it would have been seen
    assert "socket" in whole.network_log.read_text()
    whole.network_log.unlink()


def test_store_output_and_cache_are_one_file(whole):
    frames = next((whole.folder / "data" / "frames").rglob("*.h5"))
    assert frames.stat().st_nlink == 3 and frames.stat().st_mode & 0o222 == 0


def test_nothing_runs_twice(whole):
    assert ran(whole.run("dvc", "repro").stdout) == set()


def test_metrics_show_is_one_row(whole):
    rows = whole.run("dvc", "metrics", "show").stdout.strip().splitlines()
    assert len(rows) == 2 and rows[0].split() == ["Path", "mean", "split1", "split2", "split3"]


def plots(project, command: str) -> set[str]:
    """The pictures on the page of `dvc plots show` or `diff`, which opens offline."""
    project.run("dvc", "plots", command)
    page = (project.folder / "dvc_plots" / "index.html").read_text()
    assert "<script" not in page and "http" not in page
    shown = set(re.findall('src="static/([^"]*)"', page))
    assert all((project.folder / "dvc_plots" / "static" / name).stat().st_size for name in shown)
    return shown


def pictures(*revisions: str) -> set[str]:
    return {f"{one}_data_summary_{name}.png" for one in revisions for name in ("curves", "confusion", "classes")}


def test_plots_are_pictures_on_a_page_that_opens_offline(whole):
    assert plots(whole, "show") == pictures("workspace")
    assert whole.run("git", "status", "--porcelain").stdout == "" and not whole.network_log.exists()


def test_the_python_of_the_readme_runs(whole):
    (code,) = re.findall(r"```python\n(.*?)```", (whole.folder / "README.md").read_text(), re.DOTALL)
    printed = whole.run("python", "-c", f"{code}\nprint(*logits.shape, *attention.shape)").stdout.split()
    assert len(printed) == 2 + 2 + 3 and printed[2:4] == ["1", "8"] and printed[4] == "4"


def test_predict_gives_the_logits_of_predictions_h5(whole):
    held_out = Predictions.load(whole.folder / "data" / "evaluate" / "split1" / "predictions.h5")
    clips = [f"data/demo/{clip}.avi" for clip in held_out.ids[:3]]
    done = whole.run("tavlad", "predict", *clips, "--model", "data/stage2/split1", "-o", "-")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows] == clips
    for row, expected in zip(rows, held_out.logits, strict=False):
        found = {one["class"]: one["logit"] for one in row["classes"]}
        assert [found[name] for name in held_out.classes] == expected.tolist()
        assert sum(one["probability"] for one in row["classes"]) == pytest.approx(1)


def test_predict_names_what_it_cannot_read(whole):
    (whole.folder / "text.avi").write_text("no video")
    good = next((whole.folder / "data" / "demo").glob("*/*.avi"))
    done = whole.run("tavlad", "predict", str(good), "text.avi", "--model", "data/stage2/split1", check=False)
    assert done.returncode == 1 and "text.avi" in done.stderr and "%" in done.stdout
    (whole.folder / "text.avi").unlink()
    done = whole.run("tavlad", "predict", str(good), "--model", "data/stage1/split1", check=False)
    assert done.returncode == 1 and "stage2" in done.stderr


def test_the_store_shows_its_size_and_keeps_what_is_shared(whole):
    assert "extract" in whole.run("tavlad", "store", "size").stdout
    before = entries(whole, "extract")
    whole.run("tavlad", "store", "prune")
    assert entries(whole, "extract") == before


def test_bad_clips_are_named_at_once_and_good_work_is_reused(new_project, whole):
    """Truncated, empty, text and missing: one table; after excluding three and repairing one, only that is decoded."""
    project = new_project("bad")
    raw = project.folder / "data" / "raw"
    shutil.copytree(whole.folder / "data" / "demo", raw, copy_function=shutil.copyfile)
    for path in raw.glob("*/*_c01.avi"):  # a second clip of each group, so that a class can lose one
        shutil.copyfile(path, path.with_name(path.name.replace("_c01", "_c02")))
    for path in raw.glob("t*list0?.txt"):
        path.write_text(path.read_text() + path.read_text().replace("_c01", "_c02"))
    project.edit({"dataset": {"root": "data/raw"}})
    truncated, empty, text, missing = (raw / f"{name}.avi" for name in BAD)
    whole_bytes = truncated.read_bytes()
    truncated.write_bytes(whole_bytes[: len(whole_bytes) // 3])
    empty.write_bytes(b"")
    text.write_text("no video")
    missing.unlink()
    done = project.run("dvc", "repro", "decode", check=False)
    assert done.returncode != 0
    for clip, reason in zip(BAD, ("decoding fails", "empty", "cannot be opened", "missing"), strict=True):
        assert any(clip in row and reason in row for row in done.stderr.splitlines()), done.stderr
    good = entries(project, "decode")
    assert len(good) == 2 * CLIPS - 4
    truncated.write_bytes(whole_bytes)
    project.edit({"dataset": {"exclude": list(BAD[1:])}})
    project.run("dvc", "repro", "decode")
    now = entries(project, "decode")
    assert good.items() <= now.items() and len(now) == len(good) + 1
    assert len(list((project.folder / "data" / "frames").rglob("*.h5"))) == 2 * CLIPS - 3


def test_clusters_re_run_the_codebook_and_what_follows(narrowed):
    done = narrowed.run("dvc", "exp", "run", "-S", "clusters=6")
    assert ran(done.stdout) == {"check", "codebook", "stage1", "stage2", "evaluate", "summary"}
    show = narrowed.run("dvc", "exp", "show", "--csv", "--only-changed", "--drop", ".*/.*").stdout
    assert "clusters" in show.splitlines()[0] and len(show.splitlines()) >= 4
    assert plots(narrowed, "diff") == pictures("HEAD", "workspace")
    narrowed.run("git", "checkout", "-q", ".")
    narrowed.run("dvc", "checkout", "-q")
    assert ran(narrowed.run("dvc", "repro").stdout) == set()


@pytest.mark.parametrize("wrong", ["clusters=abc", "temporal=lstm", "stage1.lr=-1"])
def test_a_wrong_parameter_is_refused_by_name(whole, wrong):
    done = whole.run("dvc", "exp", "run", "-S", wrong, check=False)
    assert done.returncode != 0 and wrong.split("=")[0] in done.stderr
    whole.run("git", "checkout", "-q", ".")


def test_a_queued_experiment_sees_added_clips(whole, new_project):
    """Own clips under data/raw, tracked by `dvc add`: a queued run works in a copy that holds only what is tracked."""
    project = new_project("own")
    source = whole.folder / "data" / "demo"
    for path in source.glob("*/*.avi"):
        target = project.folder / "data" / "raw" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    project.edit({"dataset": {"root": "data/raw", "layout": "folders", "groups": r"_g(\d+)_"}})
    project.run("dvc", "add", "data/raw")
    project.commit("own clips")
    project.run("dvc", "exp", "run", "--queue", "-n", "few", "-S", "frames=3", "extract")
    project.run("dvc", "queue", "start")
    deadline = time.monotonic() + 300
    while "Success" not in (status := project.run("dvc", "queue", "status").stdout):
        assert "Failed" not in status and time.monotonic() < deadline, status
        time.sleep(2)
    assert "few" in project.run("dvc", "exp", "show", "--csv").stdout


EXPERIMENTS = """
base: {temporal: gru}
variants:
  small: {set: {hidden: 4}, paper: 50.0}
experiments:
  one: {title: One, variants: [small], seeds: [1]}
"""


def test_an_experiment_runs_by_name_is_not_run_again_and_is_reported(narrowed):
    (narrowed.folder / "experiments.yaml").unlink()
    (narrowed.folder / "experiments.yaml").write_text(EXPERIMENTS)
    narrowed.commit("own experiments")
    assert narrowed.run("tavlad", "experiment", "report", check=False).returncode == 1  # there is nothing to report
    first = narrowed.run("tavlad", "experiment", "one", "--stage1")
    assert first.stdout.splitlines()[-1] == "1 run: 0 done or under way before, 1 new"
    again = narrowed.run("tavlad", "experiment", "one", "--stage1")
    assert again.stdout.splitlines()[-1] == "1 run: 1 done or under way before, 0 new"
    narrowed.run("tavlad", "experiment", "report")
    tables = (narrowed.folder / "report" / "tables.md").read_text()
    row = next(line for line in tables.splitlines() if line.startswith("| small"))
    trained = 3 * 4 * (512 + 4 + 2) + 4 * 4 * 8 + 8  # a GRU of 4, and the classifier of 4 clusters x 4 on 8 classes
    assert f"| {trained:,} | 50.0 |" in row
    assert narrowed.run("git", "status", "--porcelain", "params.yaml").stdout == ""


def test_one_new_clip_costs_one_clip(whole):
    shutil.copytree(whole.folder / "data" / "demo", raw := whole.folder / "data" / "raw", symlinks=False)
    whole.edit({"dataset": {"root": "data/raw"}})
    before = {stage: entries(whole, stage) for stage in ("decode", "extract")}
    clip = next((raw / "Ripen").glob("*.avi"))
    (raw / "Ripen" / "v_Ripen_g01_c07.avi").write_bytes(clip.read_bytes())
    for number in (1, 2, 3):
        lists = [raw / f"{part}list0{number}.txt" for part in ("train", "test")]
        chosen = next(path for path in lists if "_g01_" in path.read_text())
        line = next(line for line in chosen.read_text().splitlines() if "v_Ripen_g01" in line)
        text = chosen.read_text() + line.replace("_c01", "_c07") + "\n"
        chosen.unlink()
        chosen.write_text(text)
    whole.run("dvc", "repro", "extract")
    for stage, known in before.items():
        now = entries(whole, stage)
        assert len(now) == len(known) + 1 and known.items() <= now.items(), stage
