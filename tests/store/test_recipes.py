"""Keys change with everything that affects a value, and with nothing else."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.code import STAGES
from tavlad.errors import TavladError
from tavlad.store import recipes
from tavlad.store.inputs import Input, Inputs
from tavlad.store.recipes import SILENT, closure, digest, file_digest, made_by, tree_digest

ROOT = Path(__file__).parents[2]
MAKERS = {
    "demo": "tavlad.demo.generator",
    "decode": "tavlad.video.decode",
    "decode, of reversals": "tavlad.video.backwards",
    "backbone": "tavlad.features.weights",
    "extract": "tavlad.features.extraction",
    "codebook": "tavlad.learning.codebook",
    "stage1": "tavlad.learning.stage1",
    "stage2": "tavlad.learning.stage2",
    "evaluate": "tavlad.learning.scoring",
    "pooled": "tavlad.learning.pooled",
    "average": "tavlad.learning.average",
}
SAMPLE = '''"""A module."""
from os import path as p, sep
import math


class A(dict, metaclass=type):
    """A class."""

    x: "int" = 0x_1F
    y = u"one" 'two'

    async def f(self, a, /, b=1, *c, d: int = 2, **e) -> None:
        """A method."""
        async with a as b, c:
            return [i async for i in b if not i or i > -1.5e3]


def g(*, key=lambda x: x ** 2):
    global G
    G = {**{}, "a": (yield), **{"b": b"\\x00"}}
    for n, *rest in ((1, 2), [3]):
        while (m := n @ n) is not None and m != 1j:
            del m, rest
            break
        else:
            continue
    try:
        assert key, f"no {key!r:>{10}} {'nested'} " f"and {sep}{{}}" ".."
    except (ValueError, KeyError) as error:
        raise RuntimeError("x") from error
    finally:
        pass
    match key:
        case {"a": [1, *_], **more} | A(x=0):
            return more if more else ...
        case None:
            return p[1:2, ::3]
'''
GOLDEN = "4588e366e3f36e84763b105dc95cb0d9f3336a9a7478f9d43f3d7bf244cd5aa9"


def test_a_digest_depends_on_values_and_not_on_their_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(x) for x in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": [1]}, {"a": 1.5})}) == 6


@dataclass(frozen=True)
class Arguments:
    video: Input
    maps: Inputs
    rate: float = 0.1


def test_a_recipe_depends_on_an_inputs_contents_and_not_on_its_path():
    one = Arguments(Input(Path("a"), "1"), Inputs(Path("a"), (("x", "1"), ("y", "2"))))
    moved = Arguments(Input(Path("b"), "1"), Inputs(Path("b"), (("x", "1"), ("y", "2"))))
    others = [
        Arguments(Input(Path("a"), "2"), one.maps),
        Arguments(one.video, Inputs(Path("a"), (("y", "2"), ("x", "1")))),
        Arguments(one.video, Inputs(Path("a"), (("x", "1"), ("y", "3")))),
        Arguments(one.video, one.maps, 0.2),
    ]
    assert digest(one) == digest(moved) and len({digest(one), *map(digest, others)}) == 5


@pytest.mark.parametrize("value", [Path("a"), {1: 2}, {3}, object(), open, Arguments])
def test_values_without_a_stable_form_are_refused(value):
    with pytest.raises(TypeError, match="cannot be in a recipe"):
        digest({"arguments": [value]})


def test_a_file_digest_depends_on_every_byte(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")


def test_the_digest_of_a_sample_of_all_syntax_never_changes():
    """If a new Python parses code differently, all keys change and everything is recomputed; this test detects it."""
    assert tree_digest(ast.parse(SAMPLE)) == GOLDEN


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""A method."""', '"""Another."""'),
        ("import math", "import math  # a comment"),
        ("'nested'", "'nes' 'ted'"),
        ("u\"one\" 'two'", '"onetwo"'),
        ("0x_1F", "31"),
        ("x ** 2", "( x**2 )"),
        ('f"and {sep}{{}}" ".."', 'f"and {sep}" "{}.."'),
    ],
)
def test_code_layout_does_not_change_the_digest(before, after):
    assert before in SAMPLE
    assert tree_digest(ast.parse(SAMPLE.replace(before, after))) == tree_digest(ast.parse(SAMPLE))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x ** 2", "x * 2"),
        ("-1.5e3", "1.5e3"),
        ("x=0", "x=False"),
        ("return more if", "return None if"),
        ("and m != 1j", "or m != 1j"),
        ('"int"', "int"),
        ("            continue", "            pass"),
        ("!r:>{10}", "!s:>{10}"),
        ("{'nested'}", "nested"),
        ("(yield)", "None"),
        ("/, b=1", "b=1"),
    ],
)
def test_code_behaviour_changes_the_digest(before, after):
    assert before in SAMPLE
    assert tree_digest(ast.parse(SAMPLE.replace(before, after))) != tree_digest(ast.parse(SAMPLE))


def test_formatting_does_not_change_the_digest(tmp_path):
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if ruff is None:
        pytest.skip("ruff is not installed: `make lint` brings it")
    for room in ("tavlad", "pipeline"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    files = {file.relative_to(tmp_path): file.read_text() for file in tmp_path.rglob("*.py")}
    settings = (
        "line-length = 60\nindent-width = 2\nformat.quote-style = 'single'\nformat.skip-magic-trailing-comma = true"
    )
    (tmp_path / "ruff.toml").write_text(settings)
    subprocess.run([ruff, "format", "--quiet", "."], cwd=tmp_path, check=True)
    assert sum((tmp_path / name).read_text() != text for name, text in files.items()) > len(files) // 2
    for name, text in files.items():
        assert tree_digest(ast.parse((tmp_path / name).read_text())) == tree_digest(ast.parse(text)), name


def test_a_relative_import_is_refused(tmp_path, monkeypatch):
    (tmp_path / "tavlad").mkdir()
    (tmp_path / "tavlad" / "a.py").write_text("from . import b\n")
    monkeypatch.setattr(recipes, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="relative import"):
        closure("tavlad.a")


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """A copy of the library that digests are taken of."""
    shutil.copytree(ROOT / "tavlad", tmp_path / "tavlad", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(recipes, "ROOT", tmp_path)
    return tmp_path


def test_the_init_of_a_package_counts_unless_it_is_empty(copy):
    before = made_by("tavlad.model.vlad")
    assert "tavlad.model" not in closure("tavlad.model.vlad")
    (copy / "tavlad" / "model" / "__init__.py").write_text("from tavlad.data import boxes\n")
    assert {"tavlad.model", "tavlad.data.boxes"} < closure("tavlad.model.vlad").keys()
    assert made_by("tavlad.model.vlad") != before


def test_a_stage_that_fills_in_templates_sees_them_and_no_other_stage_or_key_does(copy):
    shutil.copytree(ROOT / "pipeline", copy / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    templates = sorted((copy / "tavlad" / "report" / "templates").iterdir())
    assert {file.suffix for file in templates} == {".html", ".css", ".js"}

    def seen() -> tuple[str, dict]:
        others = {stage: recipes.code(f"pipeline.{stage}", silent=()) for stage in STAGES if stage != "summary"}
        return recipes.code("pipeline.summary", silent=()), others | {name: made_by(name) for name in MAKERS.values()}

    summary, others = seen()
    for file in templates:
        text = file.read_text()
        file.write_text(text + "\n")
        assert seen()[0] != summary and seen()[1] == others
        file.write_text(text)
    (templates[0].parent / "page.html~").write_text("what an editor leaves")
    assert seen() == (summary, others)
    templates[0].rename(templates[0].with_name("other.html"))
    assert seen()[0] != summary


def test_code_edited_while_its_stage_runs_gives_no_key(copy, monkeypatch):
    monkeypatch.setattr(recipes, "STARTED_WITH", {})
    shutil.copytree(ROOT / "pipeline", copy / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    recipes.start_with("pipeline.stage1")
    before = made_by("tavlad.learning.stage1")
    file = copy / "tavlad" / "learning" / "fitting.py"
    text = file.read_text()
    file.write_text(text.replace("0.5 **", "0.4 **"))
    with pytest.raises(TavladError, match=r"fitting.py was edited while the stage was running: run `dvc repro`"):
        made_by("tavlad.learning.stage1")
    file.write_text(text)
    assert made_by("tavlad.learning.stage1") == before


def test_all_makers_are_listed():
    """A stage that uses the store names its maker in its pipeline file, or in the file of decode_all."""
    called = set()
    for file in [*(ROOT / "pipeline").glob("*.py"), ROOT / "tavlad" / "video" / "batch.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            name = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
            if name in ("made", "made_all"):
                called.add((ast.unparse(node.args[1]).strip("'"), ast.unparse(node.args[2])))
            if name == "train":  # both trainings, by one process or several
                called.add((ast.unparse(node.args[0]).strip("'"), ast.unparse(node.args[1])))
    makers = {(stage, re.sub(r"engine\((.*)\)", r"\1", maker)) for stage, maker in called}  # wherever it runs
    found = {("decode" if stage == "STAGE" else stage, maker.partition(".make_")[0]) for stage, maker in makers}
    assert found == {(stage.split(",")[0], module.rpartition(".")[2]) for stage, module in MAKERS.items()}


def test_only_making_puts_results_into_the_store():
    for file in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "tavlad").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("create", "finish")
                and "attrs" not in ast.unparse(node)
            ):
                assert file.name == "making.py" or ast.unparse(node).startswith("self."), f"{file}:{node.lineno}"


@pytest.mark.parametrize("module", MAKERS.values())
def test_a_maker_reads_neither_params_yaml_nor_the_environment(module):
    for name in closure(module):
        assert name != "tavlad.params"
        tree = ast.parse(ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text())
        asked = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not asked & {"os.environ.get", "os.getenv"}, name


LOADED_LATE = {"sklearn", "threadpoolctl", "torchvision"}  # imported inside functions, because they are slow to load


@pytest.mark.parametrize("module", MAKERS.values())
def test_versions_cover_all_imported_libraries(module):
    importlib.import_module(module)
    versions = made_by(module)["versions"]
    assert versions.keys() - LOADED_LATE <= {name.split(".")[0] for name in sys.modules}
    assert {"numpy"} <= versions.keys() and not {"rich", "click", "dvc"} & versions.keys()


def test_another_version_of_the_compressor_changes_the_recipe(monkeypatch):
    before, version = made_by("tavlad.features.extraction"), importlib.metadata.version
    assert before["versions"]["isal"] == version("isal")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0" if name == "isal" else version(name))
    after = made_by("tavlad.features.extraction")
    assert after == {**before, "versions": {**before["versions"], "isal": "0"}} and digest(after) != digest(before)


OTHER = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.Lt: ast.GtE,
    ast.Gt: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


class Change(ast.NodeTransformer):
    """Changes the n-th operator, number or string of a module; docstrings do not count."""

    def __init__(self, place: int):
        self.place, self.seen = place, 0

    def now(self) -> bool:
        self.seen += 1
        return self.seen == self.place + 1

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) in (int, float, str) and self.now():
            return ast.Constant(node.value + node.value if node.value else type(node.value)(1))
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = super().generic_visit(node)
        return OTHER[type(node)]() if type(node) in OTHER and self.now() else node


def changes(source: str) -> Iterator[str]:
    """Three versions of a module: with its first, middle and last changeable place changed."""
    everything = Change(-1)
    everything.visit(ast.parse(source))
    for place in sorted({0, everything.seen // 2, everything.seen - 1}):
        yield ast.unparse(Change(place).visit(ast.parse(source)))


@pytest.mark.whole
def test_every_change_of_a_makers_code_changes_its_keys(copy):
    """Changes operators, numbers and strings one by one in each module that a maker imports, in a copy."""
    before = {stage: made_by(module)["code"] for stage, module in MAKERS.items()}
    closures = {stage: set(closure(module)) for stage, module in MAKERS.items()}
    for name in sorted(set().union(*closures.values())):
        file = copy.joinpath(*name.split(".")).with_suffix(".py")
        source, concerned = file.read_text(), {stage for stage in MAKERS if name in closures[stage]}
        file.write_text(ast.unparse(ast.parse(source)) + "\n# a comment\n")
        assert {stage: made_by(MAKERS[stage])["code"] for stage in MAKERS} == before, name
        for changed in changes(source):
            file.write_text(changed)
            now = {stage: made_by(MAKERS[stage])["code"] for stage in MAKERS}
            assert {stage for stage in MAKERS if now[stage] != before[stage]} == concerned, name
        file.write_text(source)


@pytest.mark.parametrize("name", SILENT)
def test_changing_a_silent_module_changes_no_key(copy, name):
    before = {stage: made_by(module) for stage, module in MAKERS.items()}
    place = copy.joinpath(*name.split("."))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    for changed in changes(file.read_text()):
        file.write_text(changed)
        assert {stage: made_by(module) for stage, module in MAKERS.items()} == before


@pytest.mark.parametrize("name", SILENT)
def test_every_silent_module_exists_and_has_a_reason(name):
    assert SILENT[name] and importlib.import_module(name)
