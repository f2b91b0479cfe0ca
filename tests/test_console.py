"""What a person sees: all failures at once, in a form that a log can be searched in."""

import click
from click.testing import CliRunner

from tavlad.console import Failures, bar, done, track


def command(body):
    return CliRunner().invoke(click.command()(body))


def test_failures_are_listed_a_line_each_with_the_next_step_and_exit_code_1():
    def fail():
        raise Failures("2 clips cannot be used", [("a/[one]", "is empty"), ("b" * 200, "is missing")], "Repair them.")

    result = command(fail)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert "  a/[one]: is empty" in lines and f"  {'b' * 200}: is missing" in lines and lines[-1] == "Repair them."


def test_failures_name_everything_as_text_too():
    assert "a: empty; b: missing" in str(Failures("bad", [("a", "empty"), ("b", "missing")], "advice").message)


def test_a_bar_shows_counts_and_rates_on_stderr(capsys):
    assert list(track(range(3), "work", 3, "clips")) == [0, 1, 2]
    with bar("more", 10, "frames") as advance:
        advance(4, "halfway")
    captured = capsys.readouterr()
    assert "3/3" in captured.err and "clips/s" in captured.err and "halfway" in captured.err
    assert captured.out == ""


def test_a_stage_ends_with_one_line_on_stdout(capsys):
    done("made 3 things")
    assert capsys.readouterr().out == "made 3 things\n"
