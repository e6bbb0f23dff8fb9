"""The page's server: the page in its reader's language, and what it asks by JSON.

    POST /api/fill  {"text": "세종은 [MASK]를 만들었다.", "top": 5}
    POST /api/cost  {"text": "세종은 한글을 만들었다."}
    POST /api/josa  {"text": "세종은 한글을 만들었다."}
    GET  /health

Refusals are {"error": one sentence, "code": a word for programs}.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pages.asking import MOST_GUESSES, Asking, Refused
from pages.guard import Guard
from pages.languages import LANGUAGES, language_of, words_in
from pages.turns import Busy, Turns
from pipeline.errors import InputError
from probes.texts import WORD_GAPS

#: Bytes of a question.
MOST_BYTES = 64 * 1024
_FILES = {"theme.css": "text/css", "demo/demo.css": "text/css", "demo/demo.js": "text/javascript"}


class Text(BaseModel):
    """A question about a text."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: str


class Gaps(Text):
    """A question about a text with gaps."""

    top: Annotated[int, Field(ge=1, le=MOST_GUESSES)] = 5


Question = TypeVar("Question", bound=Text)


class Problem(HTTPException):
    """A request that is refused; `code` names the reason for programs."""

    def __init__(self, status: int, code: str, told: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, told, headers)
        self.code = code


def page_app(asking: Asking, turns: Turns, names: Collection[str] = ()) -> Starlette:
    """The application. names: host names beside localhost that it is served under."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        turns.close()

    async def fill(request: Request) -> Response:
        asked = await _question(request, Gaps)
        found = await _answered(turns, partial(asking.fill, asked.text, asked.top))
        return JSONResponse({"answers": [asdict(one) for one in found]})

    async def cost(request: Request) -> Response:
        asked = await _question(request, Text)
        found = await _answered(turns, partial(asking.cost, asked.text))
        return JSONResponse({"answers": [asdict(one) for one in found]})

    async def josa(request: Request) -> Response:
        asked = await _question(request, Text)
        return JSONResponse(asdict(await _answered(turns, partial(asking.josa, asked.text))))

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "waiting": turns.waiting})

    return Starlette(
        routes=[
            Route("/", _page(asking), methods=["GET"]),
            *(Route(f"/{name}", _file(name, kind), methods=["GET"]) for name, kind in _FILES.items()),
            Route("/api/fill", fill, methods=["POST"]),
            Route("/api/cost", cost, methods=["POST"]),
            Route("/api/josa", josa, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, names=names)],
        exception_handlers={HTTPException: _refused, Exception: _fault},
        lifespan=lifespan,
    )


async def _question(request: Request, kind: type[Question]) -> Question:
    """The question of a request's body, which is looked at before anything is done; raises Problem."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "type", "send the question as application/json")
    body = await _body(request)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Problem(400, "question", f"{place}: {first['msg']}" if place else first["msg"]) from None


async def _body(request: Request) -> bytes:
    too_large = Problem(413, "size", f"a question has at most {MOST_BYTES:,} bytes", {"Connection": "close"})
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MOST_BYTES:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise too_large
    except ClientDisconnect:
        raise Problem(400, "question", "the question broke off") from None
    return bytes(body)


async def _answered(turns: Turns, work: Callable[[], Any]) -> Any:
    try:
        return await turns.take(work)
    except Busy:
        raise Problem(503, "busy", "too many questions wait: ask again in a moment", {"Retry-After": "2"}) from None
    except InputError as error:
        code = error.code if isinstance(error, Refused) else ""
        raise Problem(400, code or "text", str(error)) from None


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = error.code if isinstance(error, Problem) else "request"
    return JSONResponse({"error": error.detail, "code": code}, error.status_code, headers=error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "a fault of ours: the server's console says more", "code": "fault"}, 500)


def _file(name: str, kind: str) -> Callable[[Request], Any]:
    content = files("pages").joinpath(name).read_bytes()

    async def serve(request: Request) -> Response:
        return Response(content, media_type=kind)

    return serve


def _page(asking: Asking) -> Callable[[Request], Any]:
    environment = Environment(loader=PackageLoader("pages", "demo"), autoescape=True, undefined=StrictUndefined)
    template = environment.get_template("index.html")
    pages = {}
    for language in LANGUAGES:
        words = words_in(language)
        pages[language] = template.render(
            words=words,
            words_json=json.dumps(words, ensure_ascii=False),
            language=language,
            languages=LANGUAGES,
            models=asking.names,
            mask=asking.mask_token,
            gap=WORD_GAPS[1] if language == "ko" else WORD_GAPS[0],
            example=f"이순신은 {asking.mask_token} 중기의 무신이다.",
            whole="이순신은 조선 중기의 무신이다.",
        )

    async def serve(request: Request) -> Response:
        asked = request.query_params.get("lang")
        language = asked if asked in LANGUAGES else language_of(request.headers.get("accept-language", ""))
        return HTMLResponse(pages[language], headers={"Vary": "Accept-Language"})

    return serve
