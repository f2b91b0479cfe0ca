"""Names that follow what decides a value and nothing else."""

from pathlib import Path
from types import ModuleType

import pytest

from tavlad import recipes
from tavlad.recipes import code, digest, file_digest


def test_a_digest_follows_values_and_not_their_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(x) for x in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": [1]}, {"a": 1.5})}) == 6


def test_a_file_digest_follows_every_byte(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")


SOURCE = '''"""Module."""
from tavlad.inner import helper


def value(x):
    """Docstring."""
    return helper(x) + 1  # comment
'''


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("# comment", "# another comment"), True),
        (('"""Docstring."""', '"""Another."""'), True),
        (("+ 1", "+ 2"), False),
        (("helper(x)", "helper( x )"), True),
    ],
)
def test_a_code_digest_follows_code_and_not_its_comments(tmp_path, monkeypatch, change, same):
    (tmp_path / "tavlad").mkdir()
    (tmp_path / "tavlad" / "inner.py").write_text("def helper(x):\n    return x\n")
    module = tmp_path / "tavlad" / "outer.py"
    module.write_text(SOURCE)
    monkeypatch.setattr(recipes, "PACKAGE", Path(tmp_path / "tavlad"))
    named = ModuleType("tavlad.outer")
    before = code(named)
    module.write_text(SOURCE.replace(*change))
    assert (code(named) == before) is same
    module.write_text(SOURCE)
    (tmp_path / "tavlad" / "inner.py").write_text("def helper(x):\n    return -x\n")
    assert code(named) != before
