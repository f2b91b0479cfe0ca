"""labels.csv: segments, splits and groups by hand, and that all that is wrong is said at once, line by line."""

from pathlib import Path

import pytest

from tavlad.checking.dataset import layout_of, take
from tavlad.data import indexing
from tavlad.data.indexing import Index
from tavlad.data.layouts.labels import splits_there
from tavlad.data.reversal import originals
from tavlad.data.selection import Rules
from tavlad.data.table import Clip, Split, read_clips, write_clips
from tavlad.errors import InputError
from tests.data.test_layouts import own, write

PLAIN = """path,label,start,end
long/1.mp4,jump,0:01:02.5,1:05
long/1.mp4,run,0,2.50
long/2.mp4,jump,3,4
long/2.mp4,run,4,5
long/2.mp4,jump,5.25,6
3.mp4,jump,1,2
3.mp4,run,,
"""
FILES = ("long/1.mp4", "long/2.mp4", "3.mp4")


def table(root: Path, text: str = PLAIN, files: tuple[str, ...] = FILES) -> Path:
    for name in files:
        write(root / name, name)
    (root / "labels.csv").write_text(text, encoding="utf-8")
    return root


def build(root: Path, **rules: object) -> Index:
    return indexing.build_index(root, "csv", Rules(1, **rules))  # type: ignore[arg-type]


def failures(root: Path, **rules: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(root, **rules)
    assert caught.value.advice
    return [f"{name}: {reason}" for name, reason in caught.value.rows]


def test_each_line_is_a_clip_with_an_id_of_its_own(tmp_path):
    index = build(table(tmp_path))
    assert index.classes == ["jump", "run"]
    assert index.clips == [
        Clip("3", "3.mp4", "run", "3", "", "present"),
        Clip("3@1-2", "3.mp4", "jump", "3", "", "present", "1", "2"),
        Clip("long/1@0-2.5", "long/1.mp4", "run", "long/1", "", "present", "0", "2.5"),
        Clip("long/1@62.5-65", "long/1.mp4", "jump", "long/1", "", "present", "62.5", "65"),
        Clip("long/2@3-4", "long/2.mp4", "jump", "long/2", "", "present", "3", "4"),
        Clip("long/2@4-5", "long/2.mp4", "run", "long/2", "", "present", "4", "5"),
        Clip("long/2@5.25-6", "long/2.mp4", "jump", "long/2", "", "present", "5.25", "6"),
    ]
    write_clips(tmp_path / "clips.csv", index.clips)
    assert read_clips(tmp_path / "clips.csv") == index.clips


def test_ids_and_splits_do_not_depend_on_the_order_of_lines(tmp_path):
    head, *lines = PLAIN.splitlines()
    turned = table(tmp_path / "turned", "\n".join([head, *reversed(lines)]))
    assert build(turned) == build(table(tmp_path / "plain"))


def test_segments_of_a_file_are_on_one_side_of_drawn_folds(tmp_path):
    index = build(table(tmp_path))
    tested = [{one.split("@")[0] for one in split.test} for split in index.splits]
    assert sorted(one for split in index.splits for one in split.test) == [clip.id for clip in index.clips]
    for number, split in enumerate(index.splits):
        assert not tested[number] & {one.split("@")[0] for one in split.train}


def test_whole_files_are_what_layout_folders_makes_of_them(tmp_path):
    root = own(tmp_path)
    clips = indexing.build_index(root, "folders", Rules(1)).clips
    table(root, "label,path\n" + "".join(f"{clip.label},./{clip.path}\n" for clip in reversed(clips)), ())
    made = build(root)
    assert (made.clips, made.splits) == (clips, indexing.build_index(root, "folders", Rules(1)).splits)


def test_one_split_or_three_are_taken_as_they_are_written(tmp_path):
    words = ("train", "test", *["validation"] * 3, "Train", "train")
    lines = PLAIN.splitlines()
    one = "\n".join([f"{lines[0]},split", *(f"{line},{word}" for line, word in zip(lines[1:], words, strict=True))])
    rows = failures(table(tmp_path / "one", one))
    assert "group long/1: split1: shared by train (long/1@62.5-65), test (long/1@0-2.5)" in rows
    words = ("train", "train", *["validation"] * 3, "test", "test")
    one = "\n".join([f"{lines[0]},split", *(f"{line},{word}" for line, word in zip(lines[1:], words, strict=True))])
    index = build(table(tmp_path / "one", one))
    assert index.splits == [
        Split(("long/1@62.5-65", "long/1@0-2.5"), ("long/2@3-4", "long/2@4-5", "long/2@5.25-6"), ("3@1-2", "3"))
    ]
    assert splits_there(tmp_path / "one") == ("split1",)
    turns = (*["train,test,"] * 2, *["test,train,train"] * 3, *["train,,test"] * 2)
    three = "\n".join(
        [f"{lines[0]},split1,split2,split3", *(f"{line},{words}" for line, words in zip(lines[1:], turns, strict=True))]
    )
    index = build(table(tmp_path / "three", three), exclude=("long/2@3-4",), classes=["run", "jump"])
    assert [len(split.test) for split in index.splits] == [2, 2, 2]
    assert index.excluded == {"long/2@3-4": ["test", "train", "train"]}
    assert splits_there(tmp_path / "three") == splits_there(tmp_path) == ("split1", "split2", "split3")


def test_groups_are_given_by_column_or_by_expression(tmp_path):
    lines = ["path,label,group", *(f"p{n}.mp4,{label},g{n % 3}" for n, label in enumerate(("a", "b") * 6))]
    root = table(tmp_path, "\n".join(lines), tuple(f"p{n}.mp4" for n in range(12)))
    assert {clip.group for clip in build(root).clips} == {"g0", "g1", "g2"}
    assert {clip.group for clip in build(root, groups=r"p\d*(\d)\.").clips} == {str(n) for n in range(10)}


def test_selection_reversal_and_exclusion_know_segments(tmp_path):
    root = table(tmp_path)
    index = build(root, reverse=True, exclude=("long (reversed)/2@3-4",), classes=["jump", "run"])
    assert originals(index.clips) == {
        "3 (reversed)": "3",
        "3@1-2 (reversed)": "3@1-2",
        "long (reversed)/1@0-2.5": "long/1@0-2.5",
        "long (reversed)/1@62.5-65": "long/1@62.5-65",
        "long (reversed)/2@4-5": "long/2@4-5",
        "long (reversed)/2@5.25-6": "long/2@5.25-6",
    }
    assert set(index.excluded) == {"long/2@3-4", "long (reversed)/2@3-4"}
    few = build(root, limit=3)
    assert [clip.label for clip in few.clips].count("run") == 3


def test_everything_wrong_is_said_at_once_by_its_line(tmp_path):
    text = """\ufeffpath,label,start,end,split,remark
long/1.mp4,jump,5,5,train,
long/1.mp4,jump,5,,train,
long/1.mp4,jump,0:90,100,train,

long/1.mp4,"ju
mp",1,2,train,
long/1.mp4,run,0,2.5,train,
long/1.mp4,jump,0:00,0:02.500,train,
gone.mp4,run,,,test,
../2.mp4,run,,,Training,
3.mp4,run,,,,
4.mp4,,,,test,
4.mp4,run,,,test
long/2.mp4,run,1,2,test,
long/2,jump,1,2,test,
"""
    assert failures(table(tmp_path, text)) == [
        "labels.csv:2: ends at 5, which is not after its start, 5",
        "labels.csv:3: has only one of start and end, '5': write both, or neither for the whole file",
        "labels.csv:4: '0:90' is not a time: a minute has 60 seconds, an hour 60 minutes",
        "labels.csv:7: 'ju\\nmp' contains control characters: rename it",
        "labels.csv:9: is the same clip as labels.csv:8, of class run there",
        "labels.csv:11: '../2.mp4' leaves dataset.root: paths are relative to it",
        "labels.csv:11: split says 'training': write train, validation or test",
        "labels.csv:12: is in no part: split is empty",
        "labels.csv:13: has no label",
        "labels.csv:14: has 5 cells, the header has 6: quote cells that contain a comma",
        "labels.csv:16: 'long/2' has no suffix, such as .mp4",
        "labels.csv:10: gone.mp4 is missing: there is no such file below dataset.root",
    ]


def test_two_groups_of_one_file_are_refused_as_is_a_whole_and_a_part_on_two_sides(tmp_path):
    text = "path,label,start,end,group\n3.mp4,run,1,2,a\n3.mp4,run,2,3,b\n"
    assert failures(table(tmp_path, text)) == [
        "labels.csv:3: puts 3.mp4 in group b, labels.csv:2 in a: a file has one group"
    ]
    text = "path,label,start,end,split\n3.mp4,run,1,2,train\n3.mp4,run,,,test\n"
    assert failures(table(tmp_path, text)) == ["group 3: split1: shared by train (3@1-2), test (3)"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("path;label;start;end", "its columns are separated by semicolons: save it with commas, and times with points"),
        ("path\tlabel", "its columns are separated by tabs: save it with commas, and times with points"),
        (
            "file,class",
            "the header has no column path and no label: path and label are required",
        ),
        ("path,label,start", "the header has a column start only: a segment has a start and an end"),
        ("path,label,path", "the header names path twice"),
        ("path,label,split,split1", "the header names split, split1: write split, or split1, split2 and split3"),
        ("path,label,split2", "the header names split2: write split, or split1, split2 and split3"),
        ("path,label,start_time", "the header names start_time: do you mean start?"),
    ],
)
def test_a_header_that_is_none_is_explained(tmp_path, header, row):
    assert failures(table(tmp_path, f"{header}\n3.mp4,run\n")) == [f"labels.csv:1: {row}"]


def test_what_is_no_table_is_explained(tmp_path):
    (tmp_path / "clips.CSV").touch()
    assert failures(tmp_path) == [f"{tmp_path}/labels.csv: is missing; there are clips.CSV: rename yours"]
    assert failures(table(tmp_path, "path,label\n")) == [f"{tmp_path}/labels.csv: has no line after the header"]
    (tmp_path / "labels.csv").write_bytes("path,label\n3.mp4,\xe9t\xe9".encode("latin-1"))
    assert failures(tmp_path) == [
        "labels.csv: is not UTF-8 text (invalid continuation byte at byte 17): save it as CSV UTF-8"
    ]
    assert failures(table(tmp_path, 'path,label\n"3.mp4,run\n'))[0].startswith("labels.csv:2: is not a valid CSV line")


def test_columns_that_mean_nothing_are_named(tmp_path):
    lines = [f"{line},x" for line in PLAIN.splitlines()]
    lines[0] = "Path, Label,START,end,annotator"
    index = build(table(tmp_path, "\r\n".join(lines)))
    assert index.notes == ["ignored the columns annotator of labels.csv"] and len(index.clips) == 7


def test_an_excluded_line_need_not_have_a_file(tmp_path):
    root = table(tmp_path, f"{PLAIN}gone.mp4,run,1,2\n")
    assert failures(root) == ["labels.csv:9: gone.mp4 is missing: there is no such file below dataset.root"]
    assert len(build(root, exclude=("gone@1-2",)).clips) == 7


def test_segments_that_are_not_in_their_files_are_named_by_their_lines(tmp_path):
    def beyond(root: Path, clips: list[Clip]) -> dict[str, str]:
        return {clip.id: "too late" for clip in clips if float(clip.end) > 4}

    with pytest.raises(InputError) as caught:
        indexing.build_index(table(tmp_path), "csv", Rules(1, exclude=("long/2@5.25-6",)), beyond)
    assert list(caught.value.rows) == [("labels.csv:2", "too late"), ("labels.csv:5", "too late")]


def test_check_knows_the_table_and_counts_clips(tmp_path):
    root = table(tmp_path, f"{PLAIN}gone.mp4,run,,\n")
    found = take(root, layout_of(root), Rules(1))
    assert (found.layout, found.missing, len(found.present)) == ("csv", [], 7)
    assert found.problems == [("labels.csv:9", "gone.mp4 is missing: there is no such file below dataset.root")]
    table(root)
    found = take(root, layout_of(root), Rules(1))
    assert found.problems == [] and found.rows()[:2] == [("classes with clips", 2, None), ("clips", 7, None)]
