"""Every answer that is not a success has the same envelope, also those that the HTTP library gives by itself."""

from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from proxy.errors import (
    HeadersTooLarge,
    InternalError,
    MalformedHttp,
    MethodNotSupported,
    RequestRejected,
    TurnstileError,
    UnknownUrl,
)
from proxy.observe.request_line import log_refusal
from proxy.server.cors import preflight
from proxy.server.keys import GATEWAY
from proxy.wire.answer import common_headers, error_body, error_headers
from proxy.wire.request import request_id

log = structlog.get_logger("turnstile.http")
SERVER = "turnstile"
NO_TIME_S = 0.0  # what is answered outside of a walk is answered at once
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def envelopes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives every answer its request id, and every refusal outside of a walk its envelope and its line in the log."""
    try:
        response = await handler(request)
    except (TurnstileError, web.HTTPException) as error:
        response = answer_to(request, error)
    if not response.prepared:
        for name, value in common_headers(request_id=id_of(request), processing_s=NO_TIME_S):
            response.headers.setdefault(name, value)
    return response


def answer_to(request: web.Request, error: TurnstileError | web.HTTPException) -> web.Response:
    """What is answered where *error* is raised outside of a walk: nearly always an envelope."""
    match error:
        case TurnstileError():
            return refusal(request, error)
        case web.HTTPMethodNotAllowed():
            if request.method == "OPTIONS" and request.app[GATEWAY].settings.server.cors_origins:
                return preflight(request)
            allowed = ", ".join(sorted(error.allowed_methods))
            refused = MethodNotSupported(f"The method {request.method[:16]} is not supported here; allowed: {allowed}.")
            return refusal(request, refused, {"Allow": allowed})
        case _:
            return refusal(request, UnknownUrl("There is nothing at this URL."))


def id_of(request: web.BaseRequest) -> str:
    """The id that the caller gave, or one of ours; what could not be parsed has no header fields to look at."""
    given = request.headers.getall("x-request-id", ()) if request.headers else ()
    return request_id(given, token_hex)


def refusal(request: web.BaseRequest, error: TurnstileError, headers: Mapping[str, str] | None = None) -> web.Response:
    """The envelope of *error*, and its line in the log."""
    told_id = id_of(request)
    response = web.Response(
        status=error.told_status,
        body=error_body(error),
        headers=[
            *common_headers(request_id=told_id, processing_s=NO_TIME_S),
            *error_headers(error),
            ("Server", SERVER),
            *(headers or {}).items(),
        ],
    )
    if error.closes_connection:
        response.force_close()
    log_refusal(request.headers.get("user-agent"), told_id, error)
    return response


class Connection(RequestHandler):
    """aiohttp's connection, with envelopes for what the library refuses by itself."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Parse what has come.  A body that breaks the rules of its framing ends there, and is told of by its reader.

        The library would leave the reader waiting, and answer the same request a second time.
        """
        super().data_received(data)
        if not self._messages or isinstance(self._messages[-1][0], RawRequestMessage):
            return
        body = self._body_under_way()
        if body is not None and not body.is_eof():
            self._messages.pop()
            body.set_exception(web.RequestPayloadError())
            body.feed_eof()
            self.close()

    def _body_under_way(self) -> StreamReader | None:
        """The body of the last request before what could not be parsed."""
        if len(self._messages) > 1:
            return self._messages[-2][1]
        return self._current_request.content if self._current_request is not None else None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the library's words are not told
    ) -> web.StreamResponse:
        """What can't be parsed, or a handler's own failure; the connection ends with it."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, and can't be taken back")
        error: TurnstileError
        if status >= 500:
            log.error("a handler failed outside of a walk", exc_info=exc)
            error = InternalError()
        elif isinstance(exc, LineTooLong):
            error = HeadersTooLarge("The request line or a header field is too long.")
        else:
            error = MalformedHttp()
        response = refusal(request, error)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response.  An exception of the library is one here only for an expectation that nobody can meet."""
        if isinstance(resp, web.HTTPException):
            error = RequestRejected("Invalid 'expect': expected 100-continue, got something else.", param="expect")
            resp = refusal(request, error)
        return await super().finish_response(request, resp, start_time)


class EnvelopeServer(Server):
    """aiohttp's server, making our connections."""

    def __call__(self) -> RequestHandler:
        """One connection."""
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """aiohttp's runner, with `EnvelopeServer` in place of the stock server."""

    def __init__(self, app: web.Application, **options: Any) -> None:
        super().__init__(app, access_log=None, handler_cancellation=True, **options)

    async def _make_server(self) -> Server:
        stock = await super()._make_server()
        return EnvelopeServer(
            stock.request_handler,
            request_factory=stock.request_factory,
            handler_cancellation=stock.handler_cancellation,
            **stock._kwargs,  # noqa: SLF001 - the stock server keeps what it was given nowhere else
        )
