"""The stage `index` as it is called: what it writes, and how it fails."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.index import main
from tavlad.data import table
from tavlad.store import integrity
from tests.stages import own_code
from tests.video.painted import film, picture

PARAMS = """
dataset:
  {{root: videos, layout: folders, classes: [], limit: 0, groups: "(p.)_", validation: 0.25, reversed: false,
    exclude: [{exclude}]}}
index: {{seed: {seed}}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for label in ("one", "two"):
        (tmp_path / "videos" / label).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "videos" / label / f"p{number // 2}_{number}.avi").write_text(f"{label}{number}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAVLAD_STORE", str(tmp_path / "store"))
    return tmp_path


def run(project: Path, exclude: str = "", seed: str = "0") -> Result:
    (project / "params.yaml").write_text(PARAMS.format(exclude=exclude, seed=seed))
    return CliRunner().invoke(main, [own_code("index"), "out"])


def written(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "out").iterdir()}


def test_writes_all_tables_and_one_line(project: Path) -> None:
    result = run(project)
    assert result.exit_code == 0, result.output
    assert sorted(written(project)) == [
        *(
            "boxes.csv",
            "classes.txt",
            "clips.csv",
            "excluded.csv",
            "reversals.csv",
            "split1.csv",
            "split2.csv",
            "split3.csv",
        ),
    ]
    assert result.stdout.startswith("index: 24 clips (0 missing) of 2 classes; split1 ")
    assert result.stdout.count("\n") == 1
    clips = table.read_clips(project / "out/clips.csv")
    assert len({clip.digest for clip in clips}) == 24
    for name in table.SPLITS:
        split = table.read_split(project / f"out/{name}.csv")
        assert sorted(sum(split.parts().values(), ())) == [clip.id for clip in clips]
        assert len(split.validation) == 4


def test_the_same_input_gives_the_same_bytes(project: Path) -> None:
    run(project)
    first = written(project)
    run(project)
    assert written(project) == first
    run(project, seed="1")
    assert written(project) != first


def test_a_second_run_reads_no_video_and_writes_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "SETTLED", -(10**9))
    run(project)
    first = written(project)
    with monkeypatch.context() as patched:
        patched.setattr(integrity, "file_digest", None)
        assert run(project).exit_code == 0 and written(project) == first
    time.sleep(0.02)  # longer than a tick of the clock
    (project / "videos/one/p0_0.avi").write_text("0eno")
    run(project)
    changed = set(written(project)["clips.csv"].splitlines()) - set(first["clips.csv"].splitlines())
    assert [line.split(b",")[0] for line in changed] == [b"one/p0_0"]


def test_what_is_excluded_is_recorded_per_split(project: Path) -> None:
    result = run(project, exclude="one/p0_0, two/p3_7")
    assert "excluded: " in result.stdout
    lost = [table.count_excluded(project / "out/excluded.csv", name) for name in table.SPLITS]
    assert [sum(parts.values()) for parts in lost] == [2, 2, 2]
    assert sum(parts["test"] for parts in lost) == 2


def test_classes_of_very_different_sizes_are_warned_of(project: Path) -> None:
    assert "has 12 clips" not in run(project).stderr
    for number in range(12, 120):
        (project / "videos" / "one" / f"p{number % 6}_{number}.avi").write_text(f"one{number}")
    assert "index: class one has 120 clips, class two has 12: read mean class" in run(project).stderr


def test_failure_is_not_zero_and_leaves_the_old_tables(project: Path) -> None:
    run(project)
    first = written(project)
    result = run(project, exclude="typo, another")
    assert result.exit_code == 1
    assert "typo" in result.stderr
    assert "another" in result.stderr
    assert written(project) == first


@pytest.mark.parametrize(("exclude", "seed"), [("1", "0"), ("", "-1"), ("", "one")])
def test_parameters_of_the_wrong_kind_are_refused(project: Path, exclude: str, seed: str) -> None:
    result = run(project, exclude, seed)
    assert result.exit_code == 1
    assert not (project / "out").exists()


TABLE = ["path,label,start,end,split", *(f"{n}.avi,{'ab'[n % 2]},0,1,{'train' if n < 4 else 'test'}" for n in range(8))]


def test_segments_are_held_to_their_videos_and_splits_to_dvc_yaml(project: Path) -> None:
    for number in range(8):
        film(project / "videos" / f"{number}.avi", [picture(frame) for frame in range(30)])
    csv = project / "videos/labels.csv"
    csv.write_text("\n".join([*TABLE, "7.avi,b,1,8,test"]))
    changes = {"layout: folders": "layout: csv", 'groups: "(p.)_"': 'groups: ""', "validation: 0.25": "validation: 0"}
    params = PARAMS
    for before, after in changes.items():
        params = params.replace(before, after)
    (project / "params.yaml").write_text(params.format(exclude="", seed=0))
    result = CliRunner().invoke(main, [own_code("index"), "out"])
    assert result.exit_code == 1
    assert "labels.csv:10: 1 to 8 s is beyond the end of the video, at 1.2 s" in result.stderr

    csv.write_text("\n".join(TABLE))
    (project / "dvc.yaml").write_text("vars:\n  - splits: {split: [split1, split2]}\n")
    result = CliRunner().invoke(main, [own_code("index"), "out"])
    assert result.exit_code == 1 and "change line 2 of dvc.yaml to\n  - splits: {split: [split1]}" in result.stderr
    assert not (project / "out").exists()

    (project / "dvc.yaml").write_text("vars:\n  - splits: {split: [split1]}\n")
    result = CliRunner().invoke(main, [own_code("index"), "out"])
    assert result.exit_code == 0, result.stderr
    assert "8 clips (0 missing) of 2 classes; split1 4 train, 4 test" in result.stdout
    assert (project / "out/clips.csv").read_text().splitlines()[1].endswith(",present,0,1")
    assert "split2.csv" not in written(project)
