"""Asking a token endpoint: one request, one small answer, no redirect."""

import json
from collections.abc import Callable

from yarl import URL

from proxy.config import Credential as Configured
from proxy.config import Secret, revealed
from proxy.credentials import Credential, Issued, TokenKeeper, read_issued
from proxy.deadline import Clock
from proxy.errors import TokenNotIssued
from proxy.upstreams.http.pool import PooledTransport
from proxy.upstreams.http.port import Headers, HttpTransport

MAX_ANSWER_BYTES = 64 * 1024


class TokenEndpoint:
    """Where the tokens of one upstream come from."""

    def __init__(
        self, entry: Configured, url: URL, clock: Clock, connect: Callable[[URL], HttpTransport] = PooledTransport
    ) -> None:
        self._entry = entry
        self._clock = clock
        self._http = connect(url)
        self._body, kind = request_body(entry.body)
        given = [(name, value.reveal()) for name, value in entry.headers.items()]
        self._headers: Headers = [("Accept", "application/json"), ("Accept-Encoding", "identity"), *kind, *given]

    async def fetch(self) -> Issued:
        """A new token; see `Fetch`.  What went wrong is told without a word of the endpoint's."""
        sent_wall_s = self._clock.wall()
        answer = await self._http.send(self._headers, self._body, lambda: None, method=self._entry.method)
        try:
            if not 200 <= answer.status < 300:
                raise TokenNotIssued(detail=f"the token endpoint answered with HTTP {answer.status}")
            body = bytearray()
            while piece := await answer.read():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise TokenNotIssued(detail="the token endpoint's answer is too large")
        finally:
            answer.close()
        issued = read_issued(
            bytes(body),
            token_field=self._entry.token_field,
            expires_in_field=self._entry.expires_in_field,
            sent_wall_s=sent_wall_s,
        )
        if issued is None:
            raise TokenNotIssued(detail="the token endpoint's answer holds no token")
        return issued

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()


def request_body(body: object) -> tuple[bytes, Headers]:
    """What is sent for a token: a table as JSON, a text as it is; with the header that says so."""
    if body is None:
        return b"", []
    if isinstance(body, Secret):
        return body.reveal().encode(), []
    return json.dumps(revealed(body)).encode(), [("Content-Type", "application/json")]


def token_url(entry: Configured, base_url: str) -> URL:
    """Where tokens are fetched: a path is one below *base_url*."""
    return URL(base_url.rstrip("/") + entry.token_url if entry.token_url.startswith("/") else entry.token_url)


class ConfiguredCredential(Credential):
    """The credential that a configuration describes, with the connections that it needs."""

    def __init__(self, entry: Configured, base_url: str, clock: Clock, *, limit_s: float) -> None:
        self._endpoint = TokenEndpoint(entry, token_url(entry, base_url), clock) if entry.mode == "managed" else None
        keeper = None
        if self._endpoint is not None:
            keeper = TokenKeeper(self._endpoint.fetch, clock, limit_s=limit_s, skew_s=entry.skew_s)
        super().__init__(entry, keeper)

    async def close(self) -> None:
        """Ask for nothing more, and close every connection."""
        await super().close()
        if self._endpoint is not None:
            await self._endpoint.close()
