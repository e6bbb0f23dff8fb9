"""Requests over HTTP: what a server's answers mean, and how often it is worth asking again.

Only http and https, also after redirects, and from https never back to http; certificates are checked. What the user
has to mend is an InputError in one line; what may pass (a dropped connection, silence, 429, 5xx) is tried again.
A server that sends its headers a byte at a time can still hold a request; everything else is bounded.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from errno import EHOSTUNREACH, ENETUNREACH
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, TypeVar
from urllib import request as urls
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit

from pipeline.console import duration, say
from pipeline.errors import InputError

USER_AGENT = "hanbeot/0.1 (+corpus builder)"
#: Fewer bytes than this are no progress: over several tries, or within the time-out.
LEAST = 1 << 16
#: Seconds of the longest pause between two tries; a server that asks for more is left alone.
LONGEST_WAIT = 300.0

_BLOCK = 1 << 18
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

Result = TypeVar("Result")


class NotFoundError(InputError):
    """The server is there, the file is not."""


class TryAgainError(Exception):
    """This try is over; after `pause` seconds, if the server named them, another one may do better."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


class BeyondEndError(Exception):
    """The server has no bytes from the place on that was asked for (416); `content_range` is what it says of it."""

    def __init__(self, content_range: str) -> None:
        super().__init__(content_range)
        self.content_range = content_range


class Line:
    """Requests for one address. A host that cannot be reached at the first request is not asked again."""

    def __init__(self, address: str, timeout: float) -> None:
        check_address(address)
        self.address, self._timeout, self._reached = address, timeout, False
        self._opener = urls.OpenerDirector()
        for handler in (
            urls.ProxyHandler(),
            urls.HTTPHandler(),
            urls.HTTPSHandler(),
            urls.HTTPDefaultErrorHandler(),
            urls.HTTPErrorProcessor(),
            _Redirects(),
        ):
            self._opener.add_handler(handler)

    def open(self, headers: Mapping[str, str]) -> HTTPResponse:
        """The answer with its body unread. Raises TryAgainError, BeyondEndError or InputError for anything but 2xx."""
        request = urls.Request(self.address, headers={"User-Agent": USER_AGENT, **headers})
        try:
            response: HTTPResponse = self._opener.open(request, timeout=self._timeout)
        except HTTPError as error:
            self._reached = True
            error.close()
            raise self._refusal(error.code, error.headers) from None
        except (OSError, HTTPException) as error:
            raise self._failure(getattr(error, "reason", error)) from None
        self._reached = True
        return response

    def _refusal(self, code: int, headers: Message) -> Exception:
        known = code in HTTPStatus.__members__.values()
        answer = f"{code} {HTTPStatus(code).phrase}" if known else str(code)
        if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return BeyondEndError(headers.get("Content-Range", ""))
        if code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return NotFoundError(f"{self.address}: {answer}; check the address")
        if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return InputError(
                f"{self.address}: {answer}; the server turns this program away: "
                "take another mirror, or fetch the file by hand and name its path"
            )
        if code in _PASSING or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            pause = _retry_after(headers.get("Retry-After", ""))
            if pause is not None and pause > LONGEST_WAIT:
                return InputError(f"{self.address}: {answer}; the server asks to be left alone for {duration(pause)}")
            return TryAgainError(f"answers {answer}", pause)
        return InputError(f"{self.address}: answers {answer}; check the address, or take another mirror")

    def _failure(self, reason: object) -> Exception:
        host = urlsplit(self.address).netloc
        if isinstance(reason, ssl.SSLCertVerificationError):
            return InputError(
                f"{self.address}: the certificate of {host} is not valid ({reason.verify_message}); "
                "check the clock, the proxy and the system's certificates"
            )
        if isinstance(reason, TimeoutError):
            return TryAgainError(f"no answer within {self._timeout:g} s")
        if not self._reached and isinstance(reason, socket.gaierror):
            return InputError(f"{self.address}: no host {host} is known; check the address and the network")
        unreachable = getattr(reason, "errno", None) in (EHOSTUNREACH, ENETUNREACH)
        if not self._reached and (unreachable or isinstance(reason, ConnectionRefusedError)):
            return InputError(f"{self.address}: {host} cannot be reached ({reason}); check the network and the proxy")
        return TryAgainError(_in_words(reason))


def read(response: HTTPResponse) -> bytes:
    """What has arrived, at most a block, waiting if it is nothing; empty at the end."""
    try:
        return response.read1(_BLOCK)
    except TimeoutError:
        raise TryAgainError("the server fell silent") from None
    except (OSError, HTTPException) as error:
        raise TryAgainError(_in_words(error)) from None


def persist(
    attempt: Callable[[], Result], position: Callable[[], int], address: str, retries: int, wait: float
) -> Result:
    """Call `attempt` until it returns, or until it failed `retries` times more without bringing `position` forward.

    Going back and coming to the same place again is no progress, so this ends with any server.
    """
    failures, reached = 0, position()
    while True:
        try:
            return attempt()
        except TryAgainError as error:
            failures += 1
            if position() >= reached + LEAST:
                failures, reached = 1, position()
            if failures > retries:
                raise InputError(
                    f"{address}: {error}; {failures} tries in a row without progress: run this again later"
                ) from None
            pause = min(wait * 2 ** (failures - 1), LONGEST_WAIT) if error.pause is None else error.pause
            say(f"{address}: {error}; trying again in {pause:g} s")
            time.sleep(pause)


def fetch_text(address: str, *, limit: int, retries: int = 5, timeout: float = 60.0, wait: float = 1.0) -> str:
    """A small ASCII file of at most `limit` bytes; the rest is as in `corpora.sources.download.fetch`."""
    line = Line(address, timeout)

    def attempt() -> bytes:
        with line.open({}) as response:
            began, data = time.monotonic(), b""
            while block := read(response):
                data += block
                if len(data) > limit:
                    raise InputError(f"{address}: longer than {limit:,} bytes, so not what is expected there")
                if time.monotonic() - began > timeout:
                    raise TryAgainError(f"not done within {timeout:g} s")
            if response.length:
                raise TryAgainError(f"the connection closed after {len(data):,} bytes")
            return data

    try:
        return persist(attempt, lambda: 0, address, retries, wait).decode("ascii")
    except UnicodeDecodeError:
        raise InputError(f"{address}: not plain text; check the address") from None


def check_address(address: str) -> None:
    """Raise InputError unless `address` is one that is safe to ask: http(s), a host, no password, plain ASCII."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    else:
        if parts.username is not None or parts.password is not None:
            raise InputError(f"an address at {parts.hostname}: names and passwords in addresses are not supported")
    if not good or not re.fullmatch(r"[!-~]{1,2000}", address):
        raise InputError(f"{address!r:.200}: not an address; it has to begin with https:// or http://")


class _Redirects(urls.HTTPRedirectHandler):
    """Follow redirects to http and https alone; the standard handler also goes from https to http, and to ftp."""

    def http_error_302(
        self, req: urls.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> HTTPResponse | None:
        """Check where the redirect leads before it is followed."""
        location = headers.get("location") or headers.get("uri") or ""
        place = _place(req.full_url, location) if location else None
        if place is None or (urlsplit(req.full_url).scheme == "https" and not place.startswith("https:")):
            raise InputError(
                f"{req.full_url}: redirects to {location!r:.200}, which is not followed; take another mirror"
            )
        fp.close()  # unread: the body of a redirect is of no use, and may be endless
        answer: HTTPResponse | None = super().http_error_302(req, fp, code, msg, headers)
        return answer

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _place(base: str, location: str) -> str | None:
    try:
        place = urljoin(base, location)
        parts = urlsplit(place)
        return place if parts.scheme in ("http", "https") and parts.hostname and parts.username is None else None
    except ValueError:
        return None


def _retry_after(value: str) -> float | None:
    """Seconds of a `Retry-After` header, which holds seconds or a date; None if it holds neither."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    if not _HTTP_DATE.fullmatch(value):
        return None
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except ValueError:  # the 99th of a month
        return None


def _in_words(reason: object) -> str:
    """What a connection died of; the server's own words are cut short and kept to a line."""
    words = " ".join(str(getattr(reason, "strerror", None) or reason).split())
    return f"the connection broke ({type(reason).__name__}{': ' if words else ''}{words[:100]})"
