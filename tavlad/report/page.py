"""Self-contained HTML pages: they need no other files and no network."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def write_page(template: str, values: Mapping[str, Any], path: Path) -> None:
    """Write `template`, filled with `values`, to `path`; values are escaped, so they are always shown as text."""
    text = _environment().get_template(template).render(values)
    path.write_text(text, encoding="utf-8", newline="\n")


def data_uri(picture: bytes, kind: str) -> str:
    """A data URI that contains the picture, of type image/`kind`."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def percent(share: float | None) -> str:
    """A share in percent; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"  # noqa: RUF001


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    made.globals["script"] = script
    # the page's policy allows this script only, none injected through a name
    made.globals["script_digest"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.filters["percent"] = percent
    return made
