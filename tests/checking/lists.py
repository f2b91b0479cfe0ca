"""The official lists of both data sets, as published."""

from pathlib import Path

LISTS = Path(__file__).parents[2] / "../shared/splits"


def listed(layout: str) -> list[str]:
    """Every video in the official lists as "<class>/<file>"; the lists of a single split name all of them."""
    if layout == "ucf101":
        files = [LISTS / "ucf101/trainlist01.txt", LISTS / "ucf101/testlist01.txt"]
        return [line.split()[0] for file in files for line in file.read_text().splitlines()]
    files = sorted((LISTS / "hmdb51").glob("*_test_split1.txt"))
    lines = [(file.name.removesuffix("_test_split1.txt"), line) for file in files for line in file.open()]
    return [f"{label}/{line.rsplit(None, 1)[0]}" for label, line in lines]
