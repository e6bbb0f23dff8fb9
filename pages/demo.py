"""Stage `demo`: a page in the browser to ask a model, or several side by side.

    python -m pages.demo --model artifacts/export/law --compare artifacts/export/other

(make demo MODEL=... COMPARE=...; needs `pip install 'hanbeot[demo]'`). It listens on this machine alone unless `--host`
says otherwise: there is no password. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import errno
import importlib.util
import ipaddress
import socket
from pathlib import Path

from pipeline.console import say, warn
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.quiet import silence
from probes.model import MaskedModel
from probes.opening import names_of, open_model

HOST, PORT = "127.0.0.1", 8017
#: Seconds that answers in hand have when the server is told to end.
_GRACE = 3


def main(argv: list[str] | None) -> None:
    """Parse the command line, open the models, serve until Ctrl-C."""
    arguments = _parser().parse_args(argv)
    for name in ("starlette", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"the page needs {name}: python -m pip install --constraint constraints.txt --editable '.[demo]'"
            )
    silence()
    folders = [arguments.model or artifact_folder(arguments, "export", read_recipe(arguments)), *arguments.compare]
    names = names_of(folders)
    # Before the models are loaded: that may take a minute.
    with _listen(arguments.host, arguments.port) as listening:
        models = [open_model(folder) for folder in folders]
        _serve(names, models, listening, arguments.host)


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("pages.demo", "Serve a page that asks exported models.")
    parser.add_argument("--model", type=Path, help="a Hugging Face folder (default: artifacts/export/<name>)")
    parser.add_argument(
        "--compare", type=Path, action="append", default=[], help="another folder, side by side; may be given often"
    )
    parser.add_argument("--host", default=HOST, help=f"address to listen on (default: {HOST}, this machine alone)")
    parser.add_argument("--port", type=_port, default=PORT, help=f"port (default: {PORT}); 0: any free one")
    return parser


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return number


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises InputError for what cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise InputError(f"--host {host}: no such host") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            told = f"port {port} of {host} is taken, perhaps by a page that is still served"
            raise InputError(f"{told}: name another with --port, or --port 0 for any free one") from None
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}; see --host and --port") from None
    return listening


def _serve(names: list[str], models: list[MaskedModel], listening: socket.socket, host: str) -> None:
    # Late: without the extra, the reason is told in a line.
    import uvicorn

    from pages.app import page_app
    from pages.asking import Asking
    from pages.turns import Turns

    app = page_app(Asking(names, models), Turns(), {host, socket.gethostname()})
    address, port = listening.getsockname()[:2]
    say(f"http://{f'[{address}]' if ':' in address else address}:{port}/  ({', '.join(names)}; Ctrl-C ends it)")
    if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        warn("whoever reaches this address can ask: there is no password")
    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE, ws="none"
    )
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    except KeyboardInterrupt:
        say("ended")


if __name__ == "__main__":
    run_stage(main)
