"""The `avrec` command: says whether this machine is able, fetches the data, and trains and serves the full model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from avrec_lib import __version__
from avrec_lib.multimodal import commands as full_model


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 well, 1 something is missing, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="avrec",
        description="Tools of the textbook LLMs for Audio and Video Recommendation.",
        epilog="Example: avrec doctor && avrec train && avrec recommend v0007",
    )
    parser.add_argument("--version", action="version", version=f"avrec {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "doctor",
        help="say what this machine can run, and the remedy for what it cannot",
        epilog="Example: avrec doctor",
    )
    fetch = commands.add_parser(
        "fetch",
        help="fetch data into the cache, each file checked by its SHA-256",
        epilog="Example: avrec fetch movielens-100k. Without a name, everything the built pages need. "
        "The language model is unpacked too, where what reads it is installed.",
    )
    fetch.add_argument("names", nargs="*", metavar="NAME", help="an asset of the manifest")
    full_model.add_parsers(commands)
    options = parser.parse_args(arguments)
    if options.command not in ("doctor", "fetch"):
        return full_model.run(options)
    try:
        return _doctor() if options.command == "doctor" else _fetch(options.names)
    except KeyboardInterrupt:
        print("avrec: interrupted; a fetch goes on from where it was when you run it again.", file=sys.stderr)
        return 130


def _doctor() -> int:
    from avrec_lib.doctor import report

    findings = report()
    width = max(len(f.name) for f in findings)
    for f in findings:
        print(f"{'ok     ' if f.ok else 'missing' if f.needed else 'without'}  {f.name:<{width}}  {f.found}")
        if not f.ok:
            print(f"{'':9}{'':<{width}}  → {f.remedy}")
    bad = [f.name for f in findings if f.needed and not f.ok]
    print(f"Not able yet: {', '.join(bad)}." if bad else "This machine can build and run the book.")
    return 1 if bad else 0


def _fetch(names: Sequence[str]) -> int:
    from avrec_lib.data import assets

    try:
        for name in names or assets.names():
            print(f"{name}: {assets.fetch(name)}")
    except (KeyError, OSError, ValueError) as error:
        print(f"avrec fetch: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 1
    return _unpack() if not names or "smollm2-135m" in names else 0


def _unpack() -> int:
    """Unpack the language model, so that no page has to wait for it."""
    if not all(find_spec(package) for package in ("transformers", "gguf", "accelerate")):
        return 0  # without the extra content no page can use it
    from avrec_lib.content.language_weights import unpacked

    try:
        print(f"smollm2-135m, unpacked: {unpacked()}")
    except (OSError, ValueError) as error:
        print(f"avrec fetch: {error}", file=sys.stderr)
        return 1
    return 0
