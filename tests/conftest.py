"""Whole copies of the project to run DVC in."""

import os
from collections.abc import Callable

import pytest

from tests.project import Project

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: test processes with more threads block one another


@pytest.fixture(scope="module")
def new_project(tmp_path_factory) -> Callable[[str], Project]:
    """A function that makes a fresh copy of the project."""
    return lambda name: Project(tmp_path_factory.mktemp(name) / "project")
