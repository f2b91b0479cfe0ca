"""Two tiny splits as the stages leave them below data/: made files, true predictions and numbers."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from pipeline.evaluate import main as evaluate
from tavlad.data.reversal import write_pairs
from tavlad.data.table import Clip, Split, write_classes, write_clips, write_excluded, write_split
from tavlad.features.cache import write_maps
from tavlad.learning.checkpoints import Facts, save_checkpoint
from tavlad.report.evaluation import write_json
from tavlad.report.results import read_results
from tavlad.report.summary import headline
from tavlad.video.frames import DecodedClip, write_frames
from tests.models import small_model
from tests.stages import own_code

CLASSES = ("jump", "run")
SPLITS = {
    "split1": Split(("jump/a", "run/a"), (), ("jump/b", "run/b", "run/c")),
    "split2": Split(("jump/b", "run/b"), ("run/c",), ("jump/a", "run/a")),
}
CLIPS = sorted(SPLITS["split1"].train + SPLITS["split1"].test)
FRAMES = {"frames": 2, "short_side": 80, "crop": 64, "jpeg_quality": 95}


def write_model(folder: Path, seed: int, epochs: int, backbone: bool, **sizes: int) -> None:
    model = small_model(len(CLASSES), seed, backbone)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").unlink(missing_ok=True)  # it may be a link of another test's
    save_checkpoint(folder / "model.safetensors", model, Facts(CLASSES, "float32", "recipe", **sizes))
    (folder / "curve.csv").unlink(missing_ok=True)
    (folder / "curve.csv").write_text("epoch,loss,accuracy,lr\n" + "1,2.0,0.5,0.1\n" * epochs)


def write_clip(clip: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = [Path(f"data/{kind}/{clip}.h5") for kind in ("frames", "features")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
    facts = dict.fromkeys(
        ("header_count", "decoded_count", "begin", "end", "rotation", "width", "height", "corrupt", "concealed"), 2
    )
    frames = rng.integers(0, 256, (2, 80, 96, 3), dtype=np.uint8)
    decoded = DecodedClip(
        frames=frames, indices=[0, 1], pts=[0.0, 0.04], fps=25.0, interlaced=False, pyav="1", ffmpeg="1", **facts
    )
    write_frames(files[0], clip, decoded, 95, f"frames {seed}")
    write_maps(files[1], clip, rng.random((1, 2, 512, 2, 2)).astype(np.float16), f"maps {seed}", [None], {})


def write_index(**splits: Split) -> None:
    index = Path("data/index")
    index.mkdir(exist_ok=True)
    write_clips(index / "clips.csv", [Clip(one, f"{one}.avi", one.split("/")[0], one, "0", "present") for one in CLIPS])
    write_classes(index / "classes.txt", CLASSES)
    write_excluded(index / "excluded.csv", {})
    write_pairs(index / "reversals.csv", [])
    (index / "boxes.csv").write_text("clip,frame,x0,y0,x1,y1\nrun/b,0,0,0,1,1\nrun/b,1,0,0,1,1\n")
    for name, split in (SPLITS | splits).items():
        write_split(index / f"{name}.csv", split)


def finish() -> None:
    """Write a project that ran to the end to the current folder; stage 2 of split2 had no epoch."""
    Path("params.yaml").write_text("device: cpu\nworkers: 0\ndeterministic: false\nevaluate:\n  top: 2\n")
    Path("dvc.yaml").write_text(json.dumps({"vars": [{"splits": {"split": list(SPLITS)}}]}))
    for seed, clip in enumerate(CLIPS):
        write_clip(clip, seed)
    write_index()
    for seed, split in enumerate(SPLITS):
        write_model(Path("data/stage1", split), seed, epochs=1, backbone=False)
        write_model(Path("data/stage2", split), seed + 9, epochs=1 - seed, backbone=seed == 0, **FRAMES)
        folders = [f"data/{name}" for name in ("index", "features", "frames")]
        models = [f"data/{name}/{split}" for name in ("stage1", "stage2", "evaluate")]
        outcome = CliRunner().invoke(evaluate, [own_code("evaluate"), split, *folders, *models])
        assert outcome.exit_code == 0, outcome.output
    write_headline()


def write_headline() -> None:
    data = Path("data")
    results = read_results(data / "evaluate", data / "stage1", data / "stage2", tuple(SPLITS))
    write_json(headline(results), data / "metrics.json")
