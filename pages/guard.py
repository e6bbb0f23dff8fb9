"""What stands before the page: who may ask, and what browsers are told of every answer.

A page of another site can send requests to 127.0.0.1 from its reader's browser (CSRF), and with a name that it points
there it could read the answers (DNS rebinding). So requests must be for an address, or for a name that is ours, and
those that ask a model must come from the page itself or from no page at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing from elsewhere, no script or style within the page, in no other site's frame; nothing kept.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


class Guard:
    """An ASGI layer that refuses other hosts and other sites, and adds `HEADERS`. names: hosts beside localhost."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = {"localhost", *(name.casefold() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            told = "this page is not served under that name: open it by its address"
            return JSONResponse({"error": told, "code": "host"}, 400)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        foreign = site not in ("same-origin", "none") or (origin is not None and _host_of(origin) != host)
        if method not in ("GET", "HEAD") and foreign:
            return JSONResponse({"error": "another site may not ask here", "code": "origin"}, 403)
        return None

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if not found:
            return False
        name = found[1].strip("[]").casefold()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _host_of(origin: str) -> str:
    """The host and port of an origin; "" for what is none (`null`, `http://[`)."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
