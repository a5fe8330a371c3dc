"""SmolLM2's 4-bit file, unpacked once into weights that load in seconds.

Page 3.2.1. Unpacking takes up to a minute and 540 MB beside the file, in the cache; `avrec fetch` does it
too, so that no page has to.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from filelock import FileLock

from avrec_lib.content.errors import MediaError
from avrec_lib.data.assets import cache_folder, fetch

ASSET = "smollm2-135m"
RECORD = "record.json"  # the size of every file; written last, so a folder without it is not whole


def unpacked() -> Path:
    """Return the folder with SmolLM2's weights in float32, unpacked from its 4-bit file the first time.

    The folder appears whole or not at all; processes that want it at once wait for the first of them.

    Raises
    ------
    AssetError
        If the model is not in the cache and could not be fetched.
    MediaError
        If it could not be unpacked: no room for 560 MB, a folder that cannot be written, a package missing.
    """
    home = cache_folder() / ASSET
    folder, part = home / "unpacked", home / "unpacked.part"
    if _is_whole(folder):
        return folder
    source = next(fetch(ASSET).glob("*.gguf"))
    try:
        with FileLock(home / ".unpacking.lock"):
            if not _is_whole(folder):  # another process may have been faster
                for old in (folder, part):
                    shutil.rmtree(old, ignore_errors=True)
                part.mkdir()
                _unpack(source, part)
                part.rename(folder)
    except Exception as error:  # safetensors has an error of its own for a full disk
        shutil.rmtree(part, ignore_errors=True)
        what = (str(error).splitlines() or [""])[0]
        raise MediaError(
            home,
            f"cannot take the unpacked model ({type(error).__name__}: {what}); it needs 560 MB of disk, 2 GB of "
            "memory and the extra content: free some, set AVREC_CACHE to another folder, or install with make book.",
        ) from error
    return folder


def _unpack(source: Path, folder: Path) -> None:
    from safetensors.torch import save_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if sys.stderr.isatty():
        print("Unpacking the language model, once; this takes about a minute.", file=sys.stderr)
    with without_loading_bars(), redirect_stderr(io.StringIO()):  # one of the bars has no switch
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, local_files_only=True)
    tokenizer.save_pretrained(folder)
    vars(model.config).pop("quantization_config", None)  # no longer true, and nothing can be loaded with it
    model.config.save_pretrained(folder)
    weights = folder / "model.safetensors"
    save_model(model, str(weights), metadata={"format": "pt"})
    shutil.copymode(folder / "config.json", weights)  # safetensors lets nobody else read it; a cache may be shared
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    (folder / RECORD).write_text(json.dumps(sizes, indent=1), encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def without_loading_bars() -> Iterator[None]:
    """Silence the bars that transformers draws, and leave its setting as it was."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
