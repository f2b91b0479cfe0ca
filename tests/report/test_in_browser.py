"""Both pages in Chromium: nothing is asked of a network, no script fails, tables sort, and any name is text."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tavlad.experiments.page import write_report
from tavlad.experiments.plan import Plan
from tavlad.learning.scores import Predictions
from tavlad.report.mistakes import find_mistakes
from tavlad.report.summary_page import DoubtfulClip, Shown, write_summary_page
from tests.browser import Page, browser, needs_browser
from tests.experiments.made import outcome
from tests.report.made import made_result

pytestmark = needs_browser

HOSTILE = (
    "<script>document.title = 'run'</script>",
    '"><img src=http://localhost:9/x onerror="document.title=\'run\'">',
    "' onmouseover='alert(1)' x='",
    "</title></style><!-- &lt;b&gt; &#60;",
    "{{ 7 * 7 }} {% include 'x' %} ${1}",
    "a very long name " * 20,
    "x" * 300,
    "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f938\u200d\u2642\ufe0f cartwheel \u4f53\u64cd",
    "two\nlines",
    "javascript:alert(1)",
    " leading space, 1e5",
)


def results(classes: tuple[str, ...]) -> list:
    """Two splits; the classes are right in 10, 9, 8, ... of 10 clips, and of the last one there is no clip."""
    made = []
    for split in ("split1", "split2"):
        labels = np.repeat(np.arange(len(classes) - 1), 10)
        wrong = np.tile(np.arange(10), len(classes) - 1) < labels
        logits = np.eye(len(classes), dtype=np.float32)[np.where(wrong, (labels + 1) % len(classes), labels)]
        ids = tuple(f"{classes[label]}/{number}" for number, label in enumerate(labels))
        made.append(made_result(split, Predictions(ids, labels, 3 * logits, classes)))
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("summary")
    for name in ("curves", "attention/-0", "attention/-1"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (1600, 900), "white").save(folder / f"{name}.png")
    (folder / "attention.csv").write_text("measure,class,before,after\nentropy,,0.9,0.5\n")
    made = results(HOSTILE)
    mistakes = find_mistakes(made, 20)
    doubtful = [DoubtfulClip(f"{name}/1", 9, 10, 3) for name in HOSTILE]
    jpeg = folder / "one.jpg"
    Image.new("RGB", (384, 256), "red").save(jpeg)
    shown = Shown(mistakes, [jpeg.read_bytes()] * len(mistakes), 20, ["/0", "/1"], doubtful)
    write_summary_page(made, shown, folder)
    return folder / "index.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    names = [f"v{number}" for number in range(len(HOSTILE))]
    described = {
        "base": {},
        "variants": {name: {"set": {}, "label": label} for name, label in zip(names, HOSTILE, strict=True)},
        "experiments": {"one": {"title": HOSTILE[1], "variants": names, "seeds": [1], "compare": [names[:2]]}},
    }
    outcomes = [outcome(name, 1, [[True] * (16 - k) + [False] * k] * 2) for k, name in enumerate(names)]
    write_report(Plan.model_validate(described), outcomes, HOSTILE[0], folder)
    return folder / "index.html"


@pytest.fixture(params=["summary", "report"])
def file(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def opened(page: Page, file: Path, width: int = 1280, scheme: str = "light") -> Page:
    page.requests.clear()
    page.errors.clear()
    page.open(file, width, scheme)
    return page


def column(page: Page, table: str, number: int) -> list[str]:
    cells = f"[...document.querySelector({table!r}).tBodies[0].rows].map(row => row.cells[{number}].textContent)"
    return page.value(cells)


def click(page: Page, table: str, number: int) -> str:
    head = f"document.querySelector({table!r}).tHead.rows[0].cells[{number}]"
    return page.value(f"{head}.querySelector('button').click(); {head}.getAttribute('aria-sort')")


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_for_nothing_fails_nowhere_and_fits(page: Page, file: Path, width: int, scheme: str) -> None:
    opened(page, file, width, scheme)
    assert (page.requests, page.errors) == ([], [])
    assert page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.value("[...document.images].every(image => image.complete && image.naturalWidth)")
    background = page.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_any_name_is_text(page: Page, file: Path) -> None:
    opened(page, file)
    shown = page.value("document.body.textContent")
    assert [name for name in HOSTILE if name not in shown] == []
    assert page.value("document.title").startswith("TA-VLAD: ")
    assert page.value("document.scripts.length") == 1
    assert (
        page.value("[...document.querySelectorAll('[onerror], [onmouseover], img:not([src^=\"data:\"])')].length") == 0
    )
    addresses = page.value("[...document.querySelectorAll('a')].map(link => link.getAttribute('href'))")
    assert addresses and all(address.startswith("#") for address in addresses)


def test_classes_sort_by_name_and_by_number_and_those_without_clips_stay_below(page: Page, summary: Path) -> None:
    opened(page, summary)
    table = "#classes ~ .wide table"
    assert column(page, table, 0) == list(HOSTILE)
    assert click(page, table, 2) == "descending"
    values = column(page, table, 2)
    assert values == [f"{100 - 10 * k}.0 %" for k in range(11)] + ["–"]  # noqa: RUF001
    assert click(page, table, 2) == "ascending"
    assert column(page, table, 2) == [*values[-2::-1], values[-1]]
    assert column(page, table, 0) == [*HOSTILE[-2::-1], HOSTILE[-1]]
    assert click(page, table, 0) == "ascending"
    by_name = page.value(f"{list(HOSTILE)!r}.sort((a, b) => a.trim().localeCompare(b.trim()))")
    assert column(page, table, 0) == by_name
    assert page.value(f"document.querySelector({table!r}).querySelectorAll('[aria-sort]').length") == 1
    assert page.errors == []


def test_variants_sort_by_accuracy(page: Page, report: Path) -> None:
    opened(page, report)
    table = "table"
    assert click(page, table, 2) == "descending" and click(page, table, 2) == "ascending"
    values = [float(cell.split()[0]) for cell in column(page, table, 2)]
    assert values == sorted(values) and len(set(values)) > 8
    assert page.errors == []


def test_a_request_and_a_script_that_fails_would_be_seen_and_no_foreign_script_would_run(
    page: Page, summary: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.html").write_text("<img src=http://localhost:9/x><script>missing()</script>")
    opened(page, tmp_path / "bad.html")
    assert page.requests == ["http://localhost:9/x"] and "missing is not defined" in "".join(page.errors)
    text = summary.read_text().replace(
        "<h1>", "<script>document.title = 'run'</script><img src=http://localhost:9/x><h1>"
    )
    (tmp_path / "broken.html").write_text(text)
    opened(page, tmp_path / "broken.html")
    assert page.value("document.title") != "run" and "Content Security Policy" in "".join(page.errors)
