"""Reads params.yaml: each section becomes a frozen, validated object."""

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, NonNegativeInt, PlainValidator, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from typing_extensions import Self

from tavlad.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]


def available_cpus() -> int:
    """The number of CPUs available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Workers = Annotated[NonNegativeInt, BeforeValidator(lambda given: available_cpus() if given == "auto" else given)]


def _processes(given: Any) -> Any:
    if given == "auto" or (type(given) is int and given > 0):
        return given
    raise ValueError("takes auto, or a number of at least 1")


Processes = Annotated[Literal["auto"] | int, PlainValidator(_processes)]


class Section(BaseModel):
    """One stage's parameters: the keys of `section`, and the top-level keys named in `shared`.

    Each stage's subclass is in its pipeline file, so that a new key does not affect other stages. `silent` names keys
    that never affect a value (workers, tolerances); dvc.yaml does not track the shared ones.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    section: ClassVar[str]
    shared: ClassVar[tuple[str, ...]] = ()
    silent: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def load(cls, path: Path | str = "params.yaml") -> Self:
        """Read and validate this stage's keys; raises one `InputError` that lists everything that is wrong."""
        document = read_yaml(path)
        own = document.get(cls.section) if cls.section else {}
        if not isinstance(own, dict):
            raise InputError(f"{path}: section '{cls.section}' is missing. Compare with presets/hmdb51.yaml.")
        values = {**own, **{key: document[key] for key in cls.shared if key in document}}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"{path}:\n{cls._explain(error)}") from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        lines = []
        for problem in error.errors():
            names = [str(name) for name in problem["loc"]]
            if cls.section and (not names or names[0] not in cls.shared):
                names.insert(0, cls.section)
            given = "" if problem["type"] == "missing" else f" (got {problem['input']!r})"
            lines.append(f"  {'.'.join(names)}: {problem['msg']}{given}")
        return "\n".join(lines)


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The document at `path`; unlike PyYAML, ruamel reads `1e-05`, which `dvc exp run -S` writes, as a number."""
    try:
        document = YAML(typ="safe", pure=True).load(Path(path))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run from the folder that holds dvc.yaml.") from None
    except YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} contains no parameters.")
    return document
