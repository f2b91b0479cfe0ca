"""What is filled into a page is text there; what a page needs is in it."""

import base64
import hashlib
import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tavlad.experiments.page import LEGEND
from tavlad.report.page import TEMPLATES, data_uri, percent, write_page

ODD = '<script>alert("1")</script>&amp;\' {{ 7 * 7 }} {% raw %}'


def test_what_is_filled_in_is_text_and_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    values = {"dataset": ODD, "note": ODD, "legend": {ODD: ODD}}
    values["experiments"] = [{"title": ODD, "pictures": [(ODD, ODD)], "tables": [([ODD], [[ODD]])]}]
    for name in ("a.html", "b.html"):
        write_page("experiments.html", values, tmp_path / name)
    text = (tmp_path / "a.html").read_text()
    assert text.count("<script") == 1 and "&lt;script&gt;" in text and "49" not in text
    assert (tmp_path / "b.html").read_text() == text


def test_a_value_that_is_missing_is_an_error_and_no_blank(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="note"):
        write_page("experiments.html", {"dataset": "x", "experiments": [], "legend": LEGEND}, tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_the_policy_allows_the_one_script_by_its_digest_and_no_address(tmp_path: Path) -> None:
    values = {"dataset": "x", "note": "", "experiments": [], "legend": {}}
    write_page("experiments.html", values, tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    assert not re.search("https?://|url\\(|@import", text)


def test_templates_escape_all_that_is_not_theirs() -> None:
    trusted = [word for file in TEMPLATES.iterdir() for word in re.findall(r"\w+\|safe", file.read_text())]
    assert trusted == ["script|safe"]
    assert not [file for file in TEMPLATES.iterdir() if re.search("autoescape|Markup", file.read_text())]


def test_an_installed_package_holds_the_templates() -> None:
    about, package = ConfigParser(), TEMPLATES.parents[1]
    about.read(package.parent / "setup.cfg")
    patterns = about["options.package_data"]["tavlad"].split()
    assert set(TEMPLATES.iterdir()) <= {file for pattern in patterns for file in package.glob(pattern)}


def test_shares_and_pictures_in_a_page() -> None:
    assert [percent(share) for share in (None, 0.0, 0.12345, 1.0)] == ["–", "0.0 %", "12.3 %", "100.0 %"]  # noqa: RUF001
    assert data_uri(b"\xff\x00", "png") == "data:image/png;base64,/wA="
