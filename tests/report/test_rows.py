"""Rows of predictions in a file: what is read again is what was written, and a disk that ends is told."""

import json
import resource
from pathlib import Path

import pytest

from tavlad.errors import TavladError
from tavlad.prediction import Prediction
from tavlad.report.rows import Form, JsonLines, Table, growing

PATHS = ["a.mp4", 'a,"b".mp4', "two\nlines.mp4", "re\rturn.mp4", "caf\udce9.mp4", "café.mp4", '"', "\n", " x ", "'=1"]
SAID = [Prediction(path, ("run", "jump, high"), (0.75, 0.25), (1.5, 0.4)) for path in PATHS]
SAID += [Prediction(f"bad {path}", error=f"no {path} decodes\nat all") for path in PATHS[:4]]
FORMS: list[Form] = [Table("0a1b", 2), Table("0a1b", 1), JsonLines("0a1b")]


def write(file: Path, form: Form, said: list[Prediction], resume: bool = False) -> dict[str, str]:
    with growing(file, form, resume) as (held, append):
        for one in said:
            append(one)
    return held


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_any_path_is_found_again_and_any_cut_is_mended(tmp_path: Path, form: Form) -> None:
    file = tmp_path / "rows"
    write(file, form, SAID)
    whole = file.read_bytes()
    assert write(file, form, [], resume=True) == {one.path: one.error for one in SAID}
    for end in [*range(0, len(whole), 3), len(whole) - 1]:
        file.write_bytes(whole[:end])
        held = write(file, form, [], resume=True)
        assert list(held) == [one.path for one in SAID[: len(held)]]
        write(file, form, SAID[len(held) :], resume=True)
        assert file.read_bytes() == whole, end


def test_json_is_json_whatever_the_bytes_of_a_name() -> None:
    rows = [json.loads(JsonLines("0a1b").row(one).decode("ascii")) for one in SAID]
    assert [row["path"] for row in rows] == [one.path for one in SAID]
    assert rows[0]["classes"][1] == {"class": "jump, high", "probability": 0.25, "logit": 0.4}
    assert "classes" not in rows[-1] and rows[-1]["error"].endswith("at all")


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_disk_that_ends_keeps_the_rows_before(tmp_path: Path, form: Form) -> None:
    file, limits = tmp_path / "rows", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
    try:
        with pytest.raises(TavladError, match=r"rows cannot be written: File too large\. The rows before are kept"):
            write(file, form, SAID)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    held = write(file, form, [], resume=True)
    assert 0 < len(held) < len(SAID)
    write(file, form, SAID[len(held) :], resume=True)
    assert list(write(file, form, [], resume=True)) == [one.path for one in SAID]
