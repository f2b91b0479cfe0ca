"""The checks of the corpus find every kind of error."""

from pathlib import Path

import numpy as np
import pytest

from tavlad.video.batch import Tolerance
from tests.faults.corpus import Case
from tests.faults.verdicts import Result, Verdict
from tests.video.painted import picture

COUNT, SAMPLED, TOLERANCE = 12, 4, Tolerance(min_frames=1, missing=0.1, damage=1.0)
INDICES = [1, 4, 7, 10]  # the centres of four quarters of twelve
SHOWS = tuple(range(100, 100 + COUNT))
FRAMES = np.stack([picture(SHOWS[index]) for index in INDICES])
FACTS = {"decoded_count": COUNT, "header_count": COUNT, "indices": INDICES, "corrupt": 0, "concealed": 0}
GOOD = Result(None, FACTS, FRAMES)
PLAIN = {"films": [{"header": COUNT, "count": COUNT, "error": None, "means": [picture(n).mean() for n in SHOWS]}]}


def verdict(expect: str, result: Result, plain: dict | None = None, origin: Result | None = None) -> Verdict:
    shows = SHOWS if expect in ("these", "as many") else ()
    return Verdict(Case(Path("film.avi"), "kind", expect, shows), result, origin, plain or PLAIN, SAMPLED, TOLERANCE)


def facts(**changes: object) -> Result:
    return Result(None, {**FACTS, **changes}, FRAMES)


def plain(**changes: object) -> dict:
    return {"films": [{**PLAIN["films"][0], **changes}]}


@pytest.mark.parametrize(
    "good",
    [
        verdict("these", GOOD),
        verdict("as many", GOOD),
        verdict("either", GOOD),
        verdict("as the source", GOOD, origin=GOOD),
        verdict("either", Result("no frame decodes")),
        verdict("either", Result("took longer than 3 s")),
        verdict("an end", Result("needed more than 200 MB")),
        verdict("a reason", Result("the file is empty")),
        verdict("either", GOOD, {"films": [{**PLAIN["films"][0], "count": 3}, PLAIN["films"][0]]}),
    ],
)
def test_acceptable_outcomes_are_not_reported(good):
    assert list(good.wrongs()) == []


@pytest.mark.parametrize(
    ("bad", "wrong"),
    [
        (verdict("either", Result("")), "the reason is"),
        (verdict("either", Result("two\nlines")), "the reason is"),
        (verdict("either", Result("OSError: broken data stream")), "unforeseen"),
        (verdict("these", Result("no frame decodes")), "is whole, but was refused"),
        (verdict("a reason", Result("took longer than 3 s")), "had to be stopped"),
        (verdict("a reason", GOOD), "is not a video"),
        (verdict("an end", GOOD), "is not a video"),
        (verdict("these", facts(decoded_count=13, indices=[1, 4, 8, 11])), "has 12 frames, 13 were counted"),
        (verdict("these", Result(None, FACTS, FRAMES[::-1])), "shows"),
        (verdict("either", facts(indices=[0, 4, 7, 10])), "samples"),
        (verdict("either", Result(None, FACTS, FRAMES[:3])), "holds 3 frames"),
        (verdict("either", facts(header_count=99), plain(header=99)), "12 of 99 frames decode, with 0 errors"),
        (verdict("either", facts(concealed=13)), "12 of 12 frames decode, with 13 errors, and that was called frames"),
        (verdict("either", facts(header_count=10)), "the header was read as 10"),
        (verdict("either", GOOD, plain(count=13)), "12 frames were counted, plain PyAV says 13"),
        (verdict("either", GOOD, plain(error="broken")), "plain PyAV says 12 .broken"),
        (verdict("either", GOOD, {"films": []}), "plain PyAV says no film"),
        (verdict("either", GOOD, plain(means=[0.0] * COUNT)), "the brightness"),
        (verdict("as the source", Result("no frame decodes"), origin=GOOD), "its source is read"),
        (verdict("as the source", GOOD, origin=Result(None, FACTS, FRAMES + 1)), "gives other frames"),
        (verdict("as the source", facts(concealed=1), origin=GOOD), "the same bytes gave"),
    ],
)
def test_wrong_outcomes_are_reported(bad, wrong):
    assert any(wrong.split(" .")[0] in found for found in bad.wrongs())


def test_undetected_losses_are_reported():
    few = {"decoded_count": 10, "header_count": 0}
    assert verdict("either", facts(**few), origin=GOOD).unnoticed
    assert not verdict("either", facts(**few, concealed=1), origin=GOOD).unnoticed
    assert not verdict("either", facts(**few, corrupt=1), origin=GOOD).unnoticed
    assert not verdict("either", facts(decoded_count=11), origin=GOOD).unnoticed


def test_a_stopped_reference_proves_nothing():
    stopped = {"films": [], "error": "ended with status 14"}
    assert verdict("either", GOOD, stopped).unjudged and not list(verdict("either", GOOD, stopped).wrongs())
    assert not verdict("either", Result("no frame decodes"), stopped).unjudged
