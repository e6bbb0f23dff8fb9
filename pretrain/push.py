"""An exported folder onto the Hugging Face Hub: what its manifest lists and no more, private unless told otherwise.

The token is the library's own affair (`hf auth login`, or `HF_TOKEN`): it is never read, kept or printed here. A
repository that holds anything else than an earlier export is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifact import MANIFEST, Manifest
from pipeline.errors import InputError
from pipeline.recipe_text import RECIPE
from pretrain.licence import LICENSE, Licence
from pretrain.lineage import ATTRIBUTION, Lineage
from pretrain.onnx_export import INT8, ONNX

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_NAME = re.compile(r"(?!.*(?:--|\.\.|\.git$))\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
#: What an export has or has not: gone when it has it no more. Whatever else someone added there stays.
_AT_TIMES = (ONNX, INT8, f"{ONNX}.data", f"{INT8}.data", LICENSE, ATTRIBUTION)
#: What every export has; others have a manifest.json, too.
_OURS = {MANIFEST, RECIPE}
#: What the Hub itself puts into a new repository.
_THEIRS = (".gitattributes", "README.md")
#: Where errors of the network come from, whichever of these the installed versions use.
_HTTP = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"}


def check_name(repository: str) -> None:
    """Raise InputError for what is no `org/name`."""
    if not _NAME.fullmatch(repository):
        raise InputError(f"--push {repository!r}: write it as org/name, letters, digits, - _ . in each")


def reasons_against(lineage: Lineage, licence: Licence) -> list[str]:
    """Why a model should not be handed to everyone: what nobody can say of it, or what it may hold."""
    reasons = []
    if not licence.name:
        reasons.append("the licence of the weights is not stated (--license NAME)")
    corpus = lineage.corpus.manifest
    if corpus is None:
        reasons.append(f"what it learned from is not known ({lineage.corpus.gap})")
    elif corpus.settings.get("corpus", {}).get("privacy") == "keep":
        reasons.append('personal data was not looked for in its texts (corpus.privacy = "keep")')
    return reasons


def push(folder: Path, manifest: Manifest, repository: str, *, public: bool, api: HfApi | None = None) -> str:
    """Put the files of an export artifact into a model repository, in one commit; returns its address.

    Raises InputError without a token or a connection, for a repository that is not this user's to write, that others
    can see (unless `public`), or that holds something else.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi

    api = api or HfApi(library_name="hanbeot")
    names = [*manifest.files, MANIFEST]
    with _in_a_line(api, repository):
        head, there = _look(api, repository, public=public)
        address = str(api.create_repo(repository, private=not public, exist_ok=True))
        operations: list[CommitOperationAdd | CommitOperationDelete | CommitOperationCopy] = [
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(folder / name)) for name in names),
            *(CommitOperationDelete(path_in_repo=name) for name in _AT_TIMES if name in there and name not in names),
        ]
        api.create_commit(repository, operations, commit_message=f"Export {manifest.content[:12]}", parent_commit=head)
    return address


def _look(api: HfApi, repository: str, *, public: bool) -> tuple[str | None, list[str]]:
    """Its last commit and its files; (None, []) if there is no such repository yet."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repository)
    except RepositoryNotFoundError:
        return None, []
    names = [sibling.rfilename for sibling in info.siblings or []]
    if not info.private and not public:
        raise InputError(f"--push: {repository} is there and public: say --public, or name another one")
    if info.private and public:
        raise InputError(f"--public: {repository} is there and private: change that in its settings, or leave it out")
    if not set(names) >= _OURS and (other := [name for name in names if name not in _THEIRS]):
        raise InputError(
            f"--push: {repository} holds something else ({', '.join(sorted(other)[:3])}), which is left as it is: "
            "name another one"
        )
    return info.sha, names


@contextmanager
def _in_a_line(api: HfApi, repository: str) -> Iterator[None]:
    """Errors of the library as one line that says what to do."""
    from huggingface_hub.errors import LocalTokenNotFoundError

    try:
        yield
    except InputError:
        raise
    except LocalTokenNotFoundError:
        raise InputError("--push: no token for the Hub: `hf auth login`, or HF_TOKEN in the environment") from None
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 401:
            told = f"{api.endpoint} does not know you: `hf auth login`, or a valid HF_TOKEN in the environment"
        elif status == 403:
            told = f"the token may not write to {repository}: take one with write access, or another organisation"
        elif status in (409, 412):
            told = f"{repository} was changed meanwhile: look at it and run this again"
        elif status is not None:
            message = str(getattr(error, "server_message", None) or "").strip().splitlines()
            told = f"{api.endpoint} answered {status}" + (f": {message[0][:200]}" if message else "")
        elif isinstance(error, ConnectionError) or type(error).__module__.partition(".")[0] in _HTTP:
            told = f"no answer from {api.endpoint} ({type(error).__name__}): the export itself stands, push it again"
        else:
            raise
        raise InputError(f"--push: {told}") from None
