"""What the stage modules' command lines share: the common flags, where artifacts lie, and how a stage ends.

Exit codes: 0 done (or nothing to do), 2 the user has something to mend (one line on standard error), 75 left early when
asked to (the same command goes on), 130 interrupted; anything else is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.console import fail, say
from pipeline.errors import InputError, LeftEarly, OneProcessError
from pipeline.executor import Workers, available_cores
from pipeline.recipe import Recipe, load_recipe, shipped_recipes

#: Exit code of work that was asked to stop: sysexits.h's "temporary failure, try again".
LEFT_EARLY = 75

#: What the operating system reports when a disk or a quota is full, and when a place is not what it should be.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: The same in the words of libraries that raise errors of their own (tokenizers, safetensors, numpy).
_FULL_WORDS = re.compile(r"No space left|File too large|Disk quota|os error (27|28|122)|\d+ requested and \d+ written")
_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


def stage_parser(module: str, purpose: str) -> argparse.ArgumentParser:
    """A parser for `python -m <module>` with the flags that every stage has."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=purpose)
    parser.add_argument(
        "--recipe",
        default="sample",
        help=f"{', '.join(shipped_recipes())}, or a .toml file (default: sample)",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="extend",
        nargs="*",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override recipe values, for example --set train.max_steps=300",
    )
    parser.add_argument("--name", help="name of the artifact (default: the recipe's name)")
    parser.add_argument(
        "--artifacts", type=Path, default=Path("artifacts"), help="root of all outputs (default: ./artifacts)"
    )
    return parser


def workers_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--workers` and `--scheduler`, for stages that work on text in parallel. They never change the output."""
    parser.add_argument(
        "--workers", type=positive, default=available_cores(), help="worker processes (default: all cores)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="work on the Dask cluster of this scheduler, for example tcp://host:8786"
    )


def read_workers(arguments: argparse.Namespace) -> Workers:
    """Who works, as the command line says."""
    return Workers(arguments.workers, arguments.scheduler)


def read_recipe(arguments: argparse.Namespace) -> Recipe:
    """The recipe that the command line names, with its overrides."""
    return load_recipe(arguments.recipe, arguments.overrides)


def artifact_folder(arguments: argparse.Namespace, stage: str, recipe: Recipe) -> Path:
    """`<artifacts>/<stage>/<name>`."""
    name = arguments.name or recipe.name
    if not name or name.startswith(".") or Path(name).name != name:
        raise InputError(f"--name {name!r}: a name is one folder's name, without slashes and leading dots")
    return Path(arguments.artifacts) / stage / name


def positive(text: str) -> int:
    """An argparse type: a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number from 1 on")
    return number


def run_stage(main: Callable[[list[str] | None], None]) -> None:
    """Call a stage's `main` as a program: errors of the user's world become one line and exit code 2.

    Of several processes started by a launcher, which all meet the same error, the first one of each machine speaks.
    """
    try:
        main(None)
        return
    except KeyboardInterrupt:
        say("interrupted; what was finished stands, run the same command again")
        sys.exit(130)
    except LeftEarly as early:
        if os.environ.get("RANK", "0") == "0":
            say(str(early))
        sys.exit(LEFT_EARLY)
    except Exception as error:
        told, alone = _in_a_line(error), isinstance(error, OneProcessError)
        if told is None:
            raise
    if alone or os.environ.get("LOCAL_RANK", "0") == "0":
        fail(told)
    sys.exit(2)


def _in_a_line(error: Exception) -> str | None:
    """What to tell the user, or None for a fault of ours."""
    if isinstance(error, InputError):
        return str(error)
    place = getattr(error, "filename", None)
    if getattr(error, "errno", None) in _FULL or _FULL_WORDS.search(str(error)):
        where = f" ({place})" if place else ""
        return f"no space left to write{where}; free some and run it again: nothing made before was touched"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open at once; raise the limit (ulimit -n 4096) and run it again"
    if isinstance(error, OSError) and error.errno in _PLACE and place:
        return f"cannot use {place}: {error.strerror}"
    return None
