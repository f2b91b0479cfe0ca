"""Pages name and link what exists, and packages import as the picture in docs/architecture.md says."""

import ast
import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
EXCEPTION = "estimate.py"  # reads params.yaml as the stages do, and the page says so


def test_functions_are_where_the_page_says():
    named = re.findall(r"`((?:tavlad|pipeline)/[\w/]+\.py)` `(\w+)`", PAGE)
    assert len(named) > 10
    for file, name in named:
        assert re.search(rf"^(def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE), (file, name)


def test_links_lead_to_files():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_rooms_import_from_rooms_below_them_only():
    above = _above()
    assert set(above) == {file.parent.name for file in (ROOT / "tavlad").glob("*/__init__.py")} | {"pipeline"}
    for room in above:
        place = ROOT / room if room == "pipeline" else ROOT / "tavlad" / room
        for file in place.rglob("*.py"):
            for other in _rooms_imported(file) - {room}:
                assert room in above[other] or file.name == EXCEPTION, f"{file} imports from {other}"


def _above() -> dict[str, set[str]]:
    """All rooms above each room of the picture."""
    (picture,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", PAGE, re.DOTALL)
    arrows = set[tuple[str, str]]()
    for line in picture.splitlines():
        steps = [step.strip().split(" & ") for step in line.split("-->")]
        for uppers, lowers in pairwise(steps):
            arrows |= {(upper, lower) for upper in uppers for lower in lowers}
    above: dict[str, set[str]] = {room: set() for arrow in arrows for room in arrow}
    for _ in above:
        for upper, lower in arrows:
            above[lower] |= above[upper] | {upper}
    return above


def _rooms_imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for parts in (name.split(".") for name in names):
            if parts[0] == "pipeline":
                found.add("pipeline")
            elif parts[0] == "tavlad" and len(parts) > 1 and (ROOT / "tavlad" / parts[1]).is_dir():
                found.add(parts[1])
    return found
