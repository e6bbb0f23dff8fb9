"""The Hugging Face libraries at work for `corpora.sources.hub`: rows of a data set as a stream, errors in one line.

No program of a data set is run (the library stopped doing so with version 4), and rows come from plain files of the
data set's own repository at the commit that was looked up, or not at all.
"""

from __future__ import annotations

import logging
import posixpath
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from pipeline.console import say
from pipeline.errors import InputError

#: Columns that are kept beside the text.
NAMES = ("id", "title")

#: Kinds of data files that hold plain rows; the library knows many more, for images, genes or proteins.
_KINDS = ("json", "parquet", "csv", "arrow", "text")
#: Seconds the Hub has to say what a data set is, and between two words that it is silent.
_PATIENCE = 30.0
#: Version of the library that no longer runs programs of data sets.
_OLDEST = 4
_COMMIT = re.compile(r"[0-9a-f]{40}")
#: Where errors of the network come from, whichever of these the installed versions use.
_HTTP = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp"}


class NoAnswerError(InputError):
    """The Hub cannot be reached."""


@dataclass(frozen=True)
class Asked:
    """What a source's name asks for, and the column with the text; None for whole rows."""

    name: str
    id: str
    config: str | None
    split: str
    text_field: str | None

    @property
    def stem(self) -> str:
        """A file's name for it, without slashes, colons and what a shell takes for a pattern."""
        column = "" if self.text_field == "text" else f"+{quote(self.text_field or '', safe='')}"
        config = quote(self.config or "default", safe="")
        return "--".join(("hf", self.id.replace("/", "--"), config, f"{self.split}{column}"))


@contextmanager
def library(name: str) -> Iterator[Any]:
    """The `datasets` library, for a time in which it shows no bars, logs nothing and counts no downloads.

    That it waits for the Hub is said in our words, and said on behalf of `name`.
    """
    try:
        import datasets
        import huggingface_hub
    except ImportError as error:
        raise InputError(f"{name} needs the datasets library ({error}): pip install 'hanbeot[hf]'") from None
    if int(datasets.__version__.partition(".")[0]) < _OLDEST:
        raise InputError(f"{name} needs datasets {_OLDEST}, not {datasets.__version__}: pip install 'hanbeot[hf]'")
    relay = _Relay(name)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        # Without torch it need not be imported, for seconds, to share a number between processes that there are not.
        stack.enter_context(_set(datasets.config, HF_UPDATE_DOWNLOAD_COUNTS=False, TORCH_AVAILABLE=False))
        stack.enter_context(_set(huggingface_hub.constants, HF_HUB_DISABLE_TELEMETRY=True))
        for logger in (logging.getLogger("datasets"), logging.getLogger("huggingface_hub")):
            stack.enter_context(_set(logger, handlers=[relay], propagate=False))
        for utilities in (datasets.utils, huggingface_hub.utils):
            if not utilities.are_progress_bars_disabled():
                utilities.disable_progress_bars()
                stack.callback(utilities.enable_progress_bars)
        yield datasets


@contextmanager
def _set(owner: Any, **values: Any) -> Iterator[None]:
    before = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


class _Relay(logging.Handler):
    """Of all that the libraries log, one thing is for the user: that they try again."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self._name, self._told = name, -_PATIENCE

    def emit(self, record: logging.LogRecord) -> None:
        if "retry" in record.getMessage().lower() and time.monotonic() - self._told >= _PATIENCE:
            self._told = time.monotonic()
            say(f"{self._name}: the Hub does not answer; trying again")


def look_up(asked: Asked) -> Any:
    """What the Hub says of a data set as it is now (a `huggingface_hub.DatasetInfo`): name, commit, licence, files.

    Raises NoAnswerError without a connection, InputError if there is no such data set for this user.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        info = api.dataset_info(asked.id, timeout=_PATIENCE)
        if not _COMMIT.fullmatch(info.sha or ""):
            raise ValueError(f"no commit in the answer: {info.sha!r}")
    except Exception as error:  # whatever is raised here is about the Hub, the network or the name
        status = _status(error)
        if _is_network(error):
            raise NoAnswerError(f"{asked.name}: no answer from {api.endpoint} ({_line(error)})") from error
        if status in (401, 403, 404):
            raise InputError(
                f"{asked.name}: {api.endpoint} has no data set {asked.id}, or keeps it private ({status}); "
                "check the name, or log in with `hf auth login`"
            ) from error
        raise InputError(f"{asked.name}: {api.endpoint} does not say what {asked.id} is: {_line(error)}") from error
    return info


class Rows:
    """The rows of one split at one commit; `config` is the one taken, `total` their number, 0 if nobody knows it."""

    def __init__(self, asked: Asked, info: Any, datasets: Any) -> None:
        self.config, self.total = "", 0
        self._named: dict[str, Callable[[Any], Any]] = {}
        self._asked, self._info = asked, info
        self._page = f"{datasets.config.HF_ENDPOINT.rstrip('/')}/datasets/{info.id}"
        try:
            self._stream = self._open(datasets)
        except InputError:
            raise
        except Exception as error:  # the library raises a dozen kinds of errors for what it meets in a repository
            raise InputError(f"{asked.name}: {self._why(error)}") from error

    @property
    def address(self) -> str:
        """Page of the data set at this commit."""
        return f"{self._page}/tree/{self._info.sha}"

    @property
    def state(self) -> dict[str, Any]:
        """Where the library stands after the row last taken, as plain JSON."""
        state: dict[str, Any] = self._stream.state_dict()
        return state

    def after(self, number: int, state: dict[str, Any] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number in the split from 1, row) of the rows after row `number`, where the library had this `state`."""
        if state:
            self._stream.load_state_dict(state)
        rows = iter(self._stream)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except Exception as error:  # as above: the network, or what the library makes of a damaged file
                raise InputError(f"{self._asked.name}, after row {number:,}: {self._why(error)}") from error
            number += 1
            yield number, {**row, **{column: named(row[column]) for column, named in self._named.items()}}

    def _open(self, datasets: Any) -> Any:
        from pyarrow.dataset import ParquetFragmentScanOptions

        asked, place = self._asked, {"path": self._info.id, "revision": self._info.sha}
        names = datasets.get_dataset_config_names(**place)
        config = asked.config or datasets.get_dataset_default_config_name(**place)
        if config not in names:
            wrong = f"no config {config!r}" if config else "no default config"
            raise InputError(f"{asked.name}: {wrong}; choose one of {_some(names)}, as hf:{asked.id}:{names[0]}")
        # A cache of its own: in the common one the library may find another revision, and would take it.
        with TemporaryDirectory() as cache:
            builder = datasets.load_dataset_builder(**place, name=config, cache_dir=cache)
        check_origin(asked, self._info, builder)
        if hasattr(builder.config, "fragment_scan_options"):
            # Parquet read ahead stays in memory to the end of its file.
            builder.config.fragment_scan_options = ParquetFragmentScanOptions(pre_buffer=False)
        streams = builder.as_streaming_dataset()
        if asked.split not in streams:
            example = f"hf:{asked.id}:{asked.config or ''}:{next(iter(streams))}"
            raise InputError(f"{asked.name}: no split {asked.split!r}; choose one of {_some(streams)}, as {example}")
        stream = streams[asked.split]
        known = (builder.info.splits or {}).get(asked.split)
        self.config, self.total = config, (known and known.num_examples) or 0
        if asked.text_field is None:
            self._named = _class_names(stream.features or {})
            return stream
        columns = stream.column_names or list(next(iter(stream), {}))
        if asked.text_field not in columns:
            raise InputError(
                f"{asked.name}: no column {asked.text_field!r}; there are {_some(columns)}; "
                "name the one with the text by corpus.text_field"
            )
        return stream.select_columns([column for column in columns if column in (asked.text_field, *NAMES)])

    def _why(self, error: Exception) -> str:
        """Why the library cannot go on, and what to do."""
        script = f"{self._info.id.rpartition('/')[2]}.py"
        if _is_network(error):
            return f"the connection was lost ({_line(error)}); run this again, it goes on from about there"
        if any(file.rfilename == script for file in self._info.siblings or ()):
            return (
                f"it needs its program {script} to be run, which is not done; "
                "take a data set stored as Parquet or JSON, or download the text and name the files"
            )
        if self._info.gated and (_status(error) or isinstance(error, FileNotFoundError)):
            return f"ask for access at {self._page}, then log in with `hf auth login`"
        return f"the datasets library cannot read it: {_line(error)}"


def check_origin(asked: Asked, info: Any, builder: Any) -> None:
    """Raise InputError unless rows come from files of this repository at this commit, by a reader of plain rows."""
    home = f"hf:/datasets/{info.id}@{info.sha}/"
    if (builder.repo_id, builder.hash) != (info.id, info.sha):
        raise InputError(f"{asked.name}: a file or folder {info.id} is in the way; run this from another folder")
    kind = type(builder).__module__.split(".")[2]
    if kind not in _KINDS:
        raise InputError(f"{asked.name}: made of {kind} files; text is read from {', '.join(_KINDS)} files only")
    for file in (file for files in builder.config.data_files.values() for file in files):
        if not posixpath.normpath(file).startswith(home):
            raise InputError(f"{asked.name}: its README.md names {file!r}, outside of the data set; take another one")


def _class_names(features: Mapping[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """For columns of classes, or of lists of them: what turns their numbers into names; -1 is no class."""
    found: dict[str, Callable[[Any], Any]] = {}
    for column, feature in features.items():
        inner = getattr(feature, "feature", feature)
        if names := getattr(inner, "names", None):
            found[column] = partial(_named_class, tuple(names))
    return found


def _named_class(names: Sequence[str], value: Any) -> Any:
    if isinstance(value, list):
        return [_named_class(names, each) for each in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _status(error: Exception) -> int | None:
    """Status of the HTTP answer that an error is about."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _is_network(error: Exception) -> bool:
    """Whether trying later helps: no connection, a lost one, a server in trouble or one that asks for a pause."""
    if (status := _status(error)) is not None:
        return status in (408, 429) or status >= 500
    origins = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, ConnectionError | TimeoutError) or bool(origins & _HTTP)


def _line(error: Exception) -> str:
    """An error of a library as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _some(names: Iterable[str]) -> str:
    listed = [str(name)[:40] for name in names]
    return ", ".join(listed[:12]) + (" ..." if len(listed) > 12 else "")
