"""Damage to files that DVC has linked: found and repaired by `tavlad doctor store` and `dvc repro`."""

import pytest

from tests.faults.disk import damage, flipped

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def demo_project(new_project):
    """A project whose stage `demo` has run."""
    project = new_project("damage")
    project.run("dvc", "repro", "demo")
    return project


def state(project) -> dict[str, bytes]:
    folder = project.folder / "data" / "demo"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("touched", [True, False], ids=["edited by hand", "rotten on the disk"])
def test_an_output_changed_in_place_is_found_and_made_again(demo_project, touched):
    before, lock = state(demo_project), (demo_project.folder / "dvc.lock").read_bytes()
    file = min((demo_project.folder / "data" / "demo").glob("*/*.avi"))
    assert file.stat().st_nlink == 3  # output, store and DVC's cache share the damaged file
    damage(file, flipped, touched)
    found = demo_project.run("tavlad", "doctor", "store", check=False)
    assert found.returncode == 1 and file.name in found.stderr and "dvc repro" in found.stderr
    assert not file.exists()
    demo_project.run("dvc", "repro", "demo")
    assert state(demo_project) == before and (demo_project.folder / "dvc.lock").read_bytes() == lock
    assert demo_project.run("tavlad", "doctor", "store").returncode == 0


def test_a_damaged_dvc_object_is_named(demo_project):
    """`demo` is copied here, so the store is intact; removing the object from DVC's cache is up to the user."""
    before, lock = state(demo_project), (demo_project.folder / "dvc.lock").read_bytes()
    name = next(iter(before))
    objects = (path for path in (demo_project.folder / ".dvc" / "cache").rglob("*") if path.is_file())
    cached = next(path for path in objects if path.read_bytes() == before[name])
    content = cached.read_bytes()
    cached.unlink()
    cached.write_bytes(flipped(content))
    cached.chmod(0o444)
    found = demo_project.run("tavlad", "doctor", "store", check=False)
    assert found.returncode == 1 and str(cached) in found.stderr
    cached.unlink()
    (demo_project.folder / "data" / "demo" / name).unlink()
    demo_project.run("dvc", "repro", "demo")
    assert state(demo_project) == before and (demo_project.folder / "dvc.lock").read_bytes() == lock
    assert demo_project.run("tavlad", "doctor", "store").returncode == 0


def test_an_output_replaced_by_hand_is_restored_and_the_store_is_intact(demo_project):
    """Most editors write a new file, so the other links are intact."""
    before = state(demo_project)
    file = min((demo_project.folder / "data" / "demo").glob("*/*.avi"))
    file.unlink()
    file.write_text("edited")
    demo_project.run("dvc", "repro", "demo")
    assert state(demo_project) == before and demo_project.run("tavlad", "doctor", "store").returncode == 0
