"""Stages as DVC calls them: with the file that holds the digest of their code."""

from pathlib import Path

from pipeline.code import digest_of

LOCAL = "engine: local\nray: {address: '', cpus: 1, gpus: 0.0, mixed: false}\n"  # what decode and extract need to know


def own_code(stage: str, folder: Path = Path()) -> str:
    """Write the digest of `stage`'s code below `folder`; the path from there, a stage's first argument."""
    file = folder / "code" / f"{stage}.txt"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{digest_of(stage)}\n")
    return str(file.relative_to(folder))
