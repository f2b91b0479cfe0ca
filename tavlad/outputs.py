"""What a stage leaves in the workspace: links of finished results, which DVC then versions."""

import errno
import os
import shutil
from pathlib import Path

from tavlad.integrity import files_of

NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)


def publish(entry: Path, output: Path) -> None:
    """Make `output` (a file or a folder) the same bytes as `entry`: a hard link, or a copy where links fail."""
    if entry.is_dir():
        for file in files_of(entry):
            publish(file, output / file.relative_to(entry))
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    try:
        os.link(entry, output)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        try:
            shutil.copy(entry, output)
        except OSError:
            output.unlink(missing_ok=True)
            raise


def fresh(folder: Path) -> Path:
    """An empty output folder, as DVC leaves it before a stage runs."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
