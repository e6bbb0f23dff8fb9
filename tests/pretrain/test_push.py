"""A push to a Hub on this machine: private, what the manifest lists and no more, and one line for what goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import HfApi

from pipeline.artifact import Manifest, open_artifact
from pipeline.errors import InputError
from pretrain.export import EXPORT, export_run
from pretrain.licence import Licence
from pretrain.push import check_name, push
from tests.conftest import REPOSITORY
from tests.pretrain.hub_models import READER, WRITER, Hub, Repository, serve


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    # The large files' other way goes to servers of its own, which know no loopback.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve() as server:
        yield server


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    export_run(exported.parent / "pretrain" / "t", tmp_path / "export", licence=Licence("mit"))
    (tmp_path / "export" / "notes.txt").write_text("mine alone")
    return tmp_path / "export"


def manifest(folder: Path) -> Manifest:
    return open_artifact(folder, EXPORT)


def put(hub: Hub, folder: Path, token: str | bool = WRITER, *, public: bool = False) -> str:
    return push(folder, manifest(folder), "org/law", public=public, api=HfApi(endpoint=hub.endpoint, token=token))


def test_a_new_repository(hub: Hub, folder: Path) -> None:
    address = put(hub, folder)
    repository = hub.repositories["org/law"]
    assert address == f"{hub.endpoint}/org/law" and repository.private
    names = {*manifest(folder).files, "manifest.json"}
    assert set(repository.files) == {*names, ".gitattributes"} and "notes.txt" not in repository.files
    assert all(repository.files[name] == (folder / name).read_bytes() for name in names)
    assert len(repository.commits) == 2, "one commit"


def test_again_with_other_files(hub: Hub, folder: Path, exported: Path) -> None:
    """What an earlier export had and this one has not goes."""
    put(hub, folder)
    repository = hub.repositories["org/law"]
    repository.files |= {"model.onnx": b"of before", "notes.md": b"added there by hand"}
    export_run(exported.parent / "pretrain" / "t", folder, licence=Licence("apache-2.0"))
    put(hub, folder)
    assert set(repository.files) == {*manifest(folder).files, "manifest.json", ".gitattributes", "notes.md"}
    assert b"license: apache-2.0" in repository.files["README.md"] and len(repository.commits) == 3


def test_for_all_to_see(hub: Hub, folder: Path) -> None:
    put(hub, folder, public=True)
    assert not hub.repositories["org/law"].private


def test_nothing_else_is_touched(hub: Hub, folder: Path) -> None:
    """Someone's other model, a repository for all to see, one that changes at that moment."""
    hub.repositories["org/law"] = Repository(files={"model.safetensors": b"", "config.json": b"", "README.md": b""})
    with pytest.raises(InputError, match=r"org/law holds something else \(config.json, model.safetensors\)"):
        put(hub, folder)
    hub.repositories["org/law"] = Repository(files={"manifest.json": b"{}", "model.safetensors": b""})
    with pytest.raises(InputError, match=r"org/law holds something else \(manifest.json, model.safetensors\)"):
        put(hub, folder)
    hub.repositories["org/law"] = Repository(private=False)
    with pytest.raises(InputError, match="org/law is there and public: say --public"):
        put(hub, folder)
    hub.repositories["org/law"] = Repository()
    with pytest.raises(InputError, match="org/law is there and private: change that"):
        put(hub, folder, public=True)
    assert {method for method, _ in hub.requests} == {"GET"}, "nothing was written"
    hub.repositories["org/law"] = Repository()
    hub.fails["/api/models/org/law/commit/main"] = 412
    with pytest.raises(InputError, match="was changed meanwhile"):
        put(hub, folder)


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (False, "does not know you: `hf auth login`"),
        ("hf_wrong", "does not know you: `hf auth login`"),
        (READER, "the token may not write to org/law"),
        (True, "no token for the Hub: `hf auth login`"),
    ],
)
def test_who_may_not(hub: Hub, folder: Path, token: str | bool, told: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(InputError) as caught:
        put(hub, folder, token)
    line = str(caught.value)
    assert told in line and "\n" not in line and "hf_wrong" not in line and READER not in line
    assert not hub.repositories


def test_the_hub_fails_or_is_not_there(hub: Hub, folder: Path) -> None:
    hub.fails["/api/repos/create"] = 418
    with pytest.raises(InputError, match=rf"{hub.endpoint} answered 418: as the test wants it") as caught:
        put(hub, folder)
    assert "\n" not in str(caught.value) and WRITER not in str(caught.value)
    away = HfApi(endpoint="http://127.0.0.1:1", token=WRITER)
    with pytest.raises(InputError, match=r"no answer from http://127.0.0.1:1 .*the export itself stands") as caught:
        push(folder, manifest(folder), "org/law", public=False, api=away)
    assert "\n" not in str(caught.value)


def test_names() -> None:
    for name in ("org/law", "a-b/c_d.e"):
        check_name(name)
    for name in ("law", "org/", "/law", "org/law/x", "org/../x", "org/la w", "org/law\n", "", "org/x--y", "org/x.git"):
        with pytest.raises(InputError, match="write it as org/name"):
            check_name(name)


@pytest.mark.slow
def test_the_command(
    hub: Hub, exported: Path, tmp_path: Path, sample_corpus, sample_tokenizer, sample_examples
) -> None:
    """Public is refused while something is not known; then private by default, the token from the environment."""
    run = exported.parent / "pretrain" / "t"

    def command(root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        settings = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": WRITER,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path),
        }
        place = ["--from-run", str(root), "--artifacts", str(tmp_path), "--name", "x"]
        return subprocess.run(
            [sys.executable, "-m", "pretrain.export", *place, *flags],
            capture_output=True,
            text=True,
            env={**kept, **settings},
            cwd=REPOSITORY,
        )

    refused = command(run, "--push", "org/law", "--public")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1, refused.stderr
    assert "the licence of the weights is not stated" in refused.stderr
    assert "what it learned from is not known" in refused.stderr
    assert not (tmp_path / "export").exists() and not hub.requests, "before anything is made"
    for stage, folder in {"corpus": sample_corpus, "tokenizer": sample_tokenizer, "examples": sample_examples}.items():
        shutil.copytree(folder, tmp_path / stage / "t")
    shutil.copytree(run, tmp_path / "pretrain" / "t")
    kept = command(tmp_path / "pretrain" / "t", "--push", "org/law", "--public", "--license", "mit")
    assert kept.returncode == 2 and "personal data was not looked for" in kept.stderr
    assert command(run, "--public").returncode == 2
    done = command(tmp_path / "pretrain" / "t", "--push", "org/law", "--license", "mit")
    assert done.returncode == 0, done.stderr
    assert "pushed to" in done.stderr and "(private)" in done.stderr and WRITER not in done.stderr + done.stdout
    repository = hub.repositories["org/law"]
    assert repository.private and json.loads(repository.files["manifest.json"])["stage"] == "export"
    assert b"license: mit" in repository.files["README.md"] and WRITER.encode() not in b"".join(
        repository.files.values()
    )
