"""Names that look like markup, and a look at what a command shows of them, on a terminal or in a pipe."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import click
import pytest

FOLDER = "[bold] :smile: 100% {0} $x$ ["  # with the name of a file it holds a closing tag
FILE = "x] [link=http:a]b[red"
CLASS = "[/x] [on red]:dog: {name} $\\foo$"


class Screen(io.StringIO):
    """What a terminal, or else a pipe, is given."""

    def __init__(self, terminal: bool):
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def text(self) -> str:
        """All of it, without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@contextmanager
def shown_on(terminal: bool, columns: int) -> Iterator[Screen]:
    """stdout and stderr, both on one new screen."""
    screen = Screen(terminal)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(screen), redirect_stderr(screen):
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        yield screen


def call(command: click.Command, *arguments: str, terminal: bool, columns: int = 300) -> tuple[int, str]:
    """The exit code of a command, and all that it showed."""
    with shown_on(terminal, columns) as screen, pytest.raises(SystemExit) as end:
        command.main(list(arguments), prog_name="tavlad")
    return int(end.value.code or 0), screen.text()
