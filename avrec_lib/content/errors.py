"""The one error of everything that reads media: it names the file, says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path


class MediaError(ValueError):
    """A text, picture, sound or film could not be used.

    Parameters
    ----------
    path : Path or str
        The file, or "bytes in memory", "row 17": whatever lets the reader find it.
    reason : str
        What is wrong, and the remedy, as the rest of the sentence "<path> ...".
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.reason)
