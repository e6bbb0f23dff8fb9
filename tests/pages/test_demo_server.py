"""The page as a program: two questions at once, a queue that ends, a port that is taken, folders that are refused."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pages import demo
from pages.asking import Asking, Filled
from pages.turns import Busy, Turns
from pipeline.errors import InputError
from probes.model import MaskedModel
from tests.conftest import REPOSITORY
from tests.pages.served import served
from tests.probes.tiny import wordpiece_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wordpiece_folder(tmp_path_factory.mktemp("tiny") / "first")


class Slow(Asking):
    """Answers when it is told to, and notes who was in hand."""

    def __init__(self, folder: Path) -> None:
        super().__init__(["first"], [MaskedModel(folder)])
        self.go = threading.Event()
        self.begun: list[str] = []
        self.in_hand = self.most_in_hand = 0

    def __enter__(self) -> None:
        """Whatever a test finds, none who waits is left behind."""

    def __exit__(self, *_: object) -> None:
        self.go.set()

    def fill(self, text: str, top: int) -> tuple[Filled, ...]:
        self.begun.append(text)
        self.in_hand += 1
        self.most_in_hand = max(self.most_in_hand, self.in_hand)
        assert self.go.wait(60)
        time.sleep(0.02)
        self.in_hand -= 1
        return super().fill(text, top)


def get(address: str) -> dict:
    with urllib.request.urlopen(address, timeout=60) as reply:
        return json.load(reply)


def ask(address: str, text: str) -> tuple[int, dict]:
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{address}/api/fill", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait_for(address: str, waiting: int) -> None:
    until = time.monotonic() + 60
    while get(f"{address}/health")["waiting"] != waiting:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_questions_at_once_are_answered_in_turn(folder: Path) -> None:
    asking = Slow(folder)
    texts = ["가 [MASK]", "나 [MASK]를", "다 [MASK] [MASK]"]
    with served(asking, most=3) as address, ThreadPoolExecutor(4) as people, asking:
        replies = []
        for number, text in enumerate(texts, 1):
            replies.append(people.submit(ask, address, text))
            wait_for(address, number)
        # The server answers while a model is asked, and refuses at once what would wait too long.
        status, told = ask(address, "x [MASK]")
        assert (status, told["code"]) == (503, "busy")
        assert asking.begun == texts[:1]
        asking.go.set()
        for text, reply in zip(texts, replies, strict=True):
            status, found = reply.result(60)
            alone = Asking.fill(asking, text, 5)
            assert status == 200 and len(found["answers"][0]["gaps"]) == text.count("[MASK]")
            assert [piece["text"] for piece in found["answers"][0]["pieces"]] == [one.text for one in alone[0].pieces]
        assert asking.begun == texts and asking.most_in_hand == 1
        wait_for(address, 0)
        assert ask(address, "x [MASK]")[0] == 200


def test_someone_who_goes_away_frees_the_place(folder: Path) -> None:
    asking = Slow(folder)
    with served(asking, most=2) as address, asking:
        port = int(address.rpartition(":")[2])
        body = json.dumps({"text": "가 [MASK]"}).encode()
        head = f"POST /api/fill HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        for number in (1, 2):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                wait_for(address, number)
        assert ask(address, "x [MASK]")[0] == 503
        asking.go.set()
        wait_for(address, 0)
        assert ask(address, "x [MASK]")[0] == 200
        # A question that breaks off is no question.
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode() + body)
        assert ask(address, "x [MASK]")[0] == 200 and asking.begun.count("가 [MASK]") == 2


def test_turns_keep_their_order_and_their_errors() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        done.append(number)
        if number == 3:
            raise InputError("no")
        return number

    async def all_at_once() -> list[object]:
        turns = Turns(5)
        found = await asyncio.gather(*(turns.take(lambda n=n: work(n)) for n in range(7)), return_exceptions=True)
        await asyncio.sleep(0.05)
        assert turns.waiting == 0
        turns.close()
        return found

    found = asyncio.run(all_at_once())
    assert done == [0, 1, 2, 3, 4] and found[:3] == [0, 1, 2]
    assert isinstance(found[3], InputError) and all(isinstance(one, Busy) for one in found[5:])


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"^port {port} of 127\.0\.0\.1 is taken.*--port 0") as told:
            demo.main(["--model", str(folder), "--port", str(port)])
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match=r"--host no\.such\.host\.invalid: no such host"):
        demo.main(["--model", str(folder), "--host", "no.such.host.invalid"])
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1, port 0"):
        demo.main(["--model", str(folder), "--host", "192.0.2.1", "--port", "0"])
    with pytest.raises(SystemExit):
        demo.main(["--model", str(folder), "--port", "65536"])


def test_folders_that_are_refused_before_anything_is_served(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    cut = shutil.copytree(folder, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    for name, told in (("absent", "no model folder"), ("none", "holds no config"), ("cut", "cannot load a masked")):
        for flags in (["--model", tmp_path / name], ["--model", folder, "--compare", tmp_path / name]):
            with pytest.raises(InputError, match=told) as error:
                demo.main([*map(str, flags), "--port", "0"])
            assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_command_says_where_it_is_and_ends_quietly(folder: Path) -> None:
    command = [sys.executable, "-m", "pages.demo", "--model", str(folder), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder.parent, env=environment) as program:
        assert program.stderr
        line = program.stderr.readline()
        assert line.startswith("http://127.0.0.1:") and "Ctrl-C" in line, line
        assert ask(line.split("/  ")[0], "나 [MASK]")[0] == 200
        program.send_signal(signal.SIGINT)
        assert program.stderr.read() == "ended\n" and program.wait(60) == 0
