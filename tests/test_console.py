"""Terminal output: all failures at once, in a form that logs can be searched for, and names exactly as they are."""

import re
import sys

import click
import pytest
from click.testing import CliRunner

from tavlad.console import Row, bar, done, errors_shown, print_error, reason, table, track, warn
from tavlad.errors import TavladError
from tests.names import CLASS, FILE, FOLDER, Screen, shown_on

NAME = f"{FOLDER}/{FILE}"
LONG = [f"{'long/folder ' * 12}/clip{number}.avi" for number in (1, 2)]
WIDE = "視頻の名前" * 10


def command(body):
    return CliRunner().invoke(click.command()(errors_shown()(body)))


def test_stdout_is_printed_above_a_bar_on_the_same_terminal():
    with shown_on(terminal=True, columns=80) as screen, bar("work", 2, "clips") as advance:
        done("a line")
        advance()
    assert re.search(r"(^|\n|\x1b\[2K)a line *\r?\n", screen.getvalue())


def test_piped_stdout_stays_in_its_pipe_while_a_bar_is_on_a_terminal(monkeypatch):
    terminal, pipe = Screen(terminal=True), Screen(terminal=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", pipe)
    with bar("work", 2, "clips"):
        done("a line")
    assert pipe.getvalue() == "a line\n" and "a line" not in terminal.getvalue()


def cells(text: str, place: int) -> str:
    """The text of a table's column from top to bottom, without the spaces at which lines wrap."""
    rows = [re.split("[│┃]", line) for line in text.splitlines() if line.startswith(("│", "┃"))]
    return "".join(row[place + 1] for row in rows).replace(" ", "")


def test_failures_are_listed_one_per_line_with_the_next_step_and_exit_code_1():
    def fail():
        raise TavladError(
            "2 clips cannot be used", [("a/[one]", "is empty"), ("b" * 200, "is missing")], "Repair them."
        )

    result = command(fail)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert "  a/[one]: is empty" in lines and f"  {'b' * 200}: is missing" in lines and lines[-1] == "Repair them."


def test_str_of_an_error_names_all_failures():
    assert "a: empty; b: missing" in str(TavladError("bad", [("a", "empty"), ("b", "missing")], "advice"))


@pytest.mark.parametrize("colour", ["", "1"])
def test_in_a_log_a_failure_is_one_line(colour, monkeypatch):
    if colour:
        monkeypatch.setenv("FORCE_COLOR", colour)
    with shown_on(terminal=False, columns=20) as screen:
        rows = [(NAME, f"RuntimeError: [/r]\n  {CLASS}"), (LONG[0], "gone")]
        print_error(TavladError("bad: [/t]", rows, "Do [/this]."), sys.stderr)
    assert screen.text().splitlines() == [
        "bad: [/t]:",
        f"  {NAME}: RuntimeError: [/r]   {CLASS}",
        f"  {LONG[0]}: gone",
        "Do [/this].",
    ]


def test_on_a_terminal_failures_are_a_table_with_full_names():
    screen = Screen(terminal=True)
    with shown_on(terminal=True, columns=40):
        print_error(TavladError("bad: [/t]", [(NAME, CLASS), (LONG[0], "gone")], "Do [/this]."), screen)
    text = screen.text()
    assert text.startswith("bad: [/t]\n┏") and text.endswith("┘\nDo [/this].\n")
    assert cells(text, 0) == f"what{NAME}{LONG[0]}".replace(" ", "")
    assert cells(text, 1) == f"why{CLASS}gone".replace(" ", "")


@pytest.mark.parametrize("columns", [20, 80, 400])
def test_a_table_in_a_pipe_has_one_line_per_row(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    table(NAME, ("clip", "class"), [Row((LONG[0], CLASS)), Row((LONG[1], NAME), "red", ends=True)], notes=[LONG[0]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == NAME and lines[-1] == LONG[0]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows == [[LONG[0], CLASS], [LONG[1], NAME]]


@pytest.mark.parametrize("columns", [10, 30, 80])
def test_a_table_on_a_terminal_wraps_and_loses_nothing(columns):
    with shown_on(terminal=True, columns=columns) as screen:
        table(NAME, ("a", "b", "c"), [Row((LONG[0], WIDE, "0.850")), Row((LONG[1], CLASS, "1"))], numbers=True)
    text = screen.text()
    assert text.startswith(f"{NAME}\n") and "…" not in text
    assert cells(text, 0) == f"a{LONG[0]}{LONG[1]}".replace(" ", "")
    assert cells(text, 1) == f"b{WIDE}{CLASS}".replace(" ", "")
    assert cells(text, 2) == "c0.8501"


def test_heads_are_not_markup_and_only_styled_rows_have_colours():
    with shown_on(terminal=True, columns=80) as screen:
        table("", ("[bold]head:smile:", "3 'x'"), [Row(("4 clips", "/tmp/a")), Row(("5", "True"), "red")])
    assert "┃ [bold]head:smile: ┃ 3 'x'  ┃" in screen.text()
    assert "\x1b[31m5 " in screen.getvalue() and "\x1b[31mTrue" in screen.getvalue()
    assert set(re.findall(r"\x1b\[([0-9;]+)m", screen.getvalue())) == {"0", "1", "31"}  # off, the heads, red


def test_numbers_are_aligned_to_the_right(capsys):
    table("", ("name", "number"), [Row(("a", "1")), Row(("b", "22"), ends=True), Row(("c", "3"))], numbers=True)
    assert capsys.readouterr().out.splitlines()[3:] == [
        "│ a    │      1 │",
        "│ b    │     22 │",
        "├──────┼────────┤",
        "│ c    │      3 │",
        "└──────┴────────┘",
    ]


def test_a_bar_shows_counts_and_rates_on_stderr(capsys):
    assert list(track(range(3), "work", 3, "clips")) == [0, 1, 2]
    with bar("more", 10, "frames") as advance:
        advance(4, "halfway")
    captured = capsys.readouterr()
    assert "3/3" in captured.err and "clips/s" in captured.err and "halfway" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_shows_labels_and_notes_as_they_are(terminal):
    with shown_on(terminal, columns=300) as screen, bar(NAME, 2, "runs") as advance:
        advance(1, f"now: {CLASS}, {LONG[0]}")
    assert NAME in screen.text() and f"now: {CLASS}, {LONG[0]}" in screen.text()


def test_a_bar_is_one_line_in_a_pipe_and_wraps_on_a_terminal():
    note = f"{LONG[1]}, {'x' * 150}"
    with shown_on(terminal=False, columns=60) as screen, bar("work", 2, "runs") as advance:
        advance(1, note)
    assert [note in line for line in screen.text().splitlines()] == [True]
    with shown_on(terminal=True, columns=60) as screen, bar("work", 2, "runs") as advance:
        advance(1, note)
    last = screen.text().split("work")[-1]
    assert note.replace(" ", "") in re.sub(r"[\s━╸╺]|\d/\d|0:00:00|-:--:--|[\d.]+ runs/s", "", last)
    assert "…" not in screen.text()


def test_a_stage_ends_with_one_line_on_stdout(capsys):
    done("made 3 things")
    assert capsys.readouterr().out == "made 3 things\n"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "é:\\udcff\\n\\x1b[31m"), ("ascii", "\\xe9:\\udcff\\n\\x1b[31m")]
)
def test_unprintable_characters_are_escaped(encoding, shown, monkeypatch):
    name, expected = "é:\udcff\n\x1b[31m", shown.encode()

    def show():
        with bar(name, 1, "clips") as advance:
            advance(1, name)
        done(name)
        warn(name)
        table(name, ("a",), [Row((name,))])
        raise TavladError(name, [(name, "gone")], name)

    result = CliRunner(charset=encoding).invoke(click.command()(errors_shown()(show)))
    assert isinstance(result.exception, SystemExit)
    assert result.stdout_bytes.count(expected) == 3 and result.stderr_bytes.count(expected) == 6


def test_the_reason_of_an_error_is_one_line():
    assert reason(ValueError("a\n  b")) == "ValueError: a b"
    assert reason(TavladError("the disk is full")) == "the disk is full"
