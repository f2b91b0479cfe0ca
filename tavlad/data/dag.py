"""The splits that dvc.yaml trains, and whether a data set has them."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tavlad.errors import InputError

FILE = "dvc.yaml"
KEYS = ("splits", "split")  # the nesting in `vars`: DVC expands `${splits}` in a command to one `--split` per name


def trained_splits(text: str, file: str = FILE) -> list[str]:
    """The names of the splits in the `vars` of a dvc.yaml's `text`; InputError if there are none."""
    try:
        document = YAML(typ="safe", pure=True).load(text)
        names = [str(name) for part in document["vars"] for name in part.get(KEYS[0], {}).get(KEYS[1], ())]
    except (AttributeError, KeyError, TypeError, YAMLError):
        names = []
    if not names:
        raise InputError(f"{file}: its `vars` name no splits. Write them as\n{line_of(['split1'])}")
    return names


def read_trained_splits(file: Path | str = FILE) -> list[str]:
    """`trained_splits` of a file; InputError if it is missing."""
    try:
        return trained_splits(Path(file).read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        raise InputError(f"{file} is missing: run from the folder that holds dvc.yaml.") from None


def line_of(names: Sequence[str]) -> str:
    """The line of dvc.yaml that selects the splits `names`."""
    return f"  - {KEYS[0]}: {{{KEYS[1]}: [{', '.join(names)}]}}"


def to_change(trained: Sequence[str], there: Sequence[str], file: Path | str = FILE) -> str:
    """Advice on which line of `file` to change if it trains splits that are not in `there`; "" if all are."""
    absent = [name for name in trained if name not in there]
    if not absent:
        return ""
    kept = [name for name in trained if name in there] or list(there)
    found = f"{', '.join(absent)} of {file} {'is' if len(absent) == 1 else 'are'} not among the splits of this layout"
    return f"{found}, {', '.join(there)}: change line {_line_number(Path(file))} of {file} to\n{line_of(kept)}"


def _line_number(file: Path) -> int:
    document: Any = YAML().load(StringIO(file.read_text(encoding="utf-8")))
    part: Any = next(part for part in document["vars"] if KEYS[0] in part)
    return int(part.lc.key(KEYS[0])[0]) + 1
