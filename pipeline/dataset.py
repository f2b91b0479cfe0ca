"""Section `dataset` of params.yaml, read by index and decode."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from tavlad.errors import InputError
from tavlad.params import Section

if TYPE_CHECKING:
    from tavlad.data.selection import Rules


class Dataset(Section):
    """Where the videos are and how they are listed."""

    section: ClassVar[str] = "dataset"
    root: str
    layout: Literal["ucf101", "hmdb51", "folders", "split_folders", "csv"]
    classes: list[str]
    limit: int = Field(ge=0)
    groups: str
    validation: float = Field(ge=0, lt=1)
    reversed: bool
    exclude: list[str]

    def rules(self, seed: int) -> "Rules":
        """The rules to build an index with: these keys, and the `seed` of section index."""
        from tavlad.data.selection import Rules

        return Rules(seed, self.groups, self.validation, tuple(self.exclude), self.reversed, self.classes, self.limit)

    def folder(self) -> Path:
        """The folder `root`; InputError if it is not a folder. Its name never goes through a shell."""
        folder = Path(self.root)
        if not folder.is_dir():
            raise InputError(f"dataset.root in params.yaml names '{self.root}', which is not a folder.")
        return folder
