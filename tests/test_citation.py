"""CITATION.cff is of this release, and cites the two versions of the paper by what finds them."""

import configparser
from pathlib import Path

from tavlad.params import read_yaml
from tavlad.report.card import PAPER

ROOT = Path(__file__).parents[1]
CITATION = read_yaml(ROOT / "CITATION.cff")


def test_it_is_of_this_release():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert CITATION["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= set(CITATION)
    assert (
        str(CITATION["version"]) == setup["metadata"]["version"] and CITATION["license"] == setup["metadata"]["license"]
    )
    assert CITATION["authors"][0]["name"] in (ROOT / "LICENSE").read_text()


def test_both_versions_of_the_paper_are_cited():
    cited = {one["type"]: one for one in CITATION["references"]}
    assert set(cited) == {"article", "conference-paper"}
    assert f"https://doi.org/{cited['article']['doi']}" == PAPER
    for one in cited.values():
        assert [author["family-names"] for author in one["authors"]] == ["Sudhakaran", "Lanz"]
