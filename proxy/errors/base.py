"""What every error carries."""

from typing import ClassVar

from statechart.vocabulary import EndReason, Event

INVALID_REQUEST_TYPE = "invalid_request_error"
SERVER_TYPE = "server_error"
RATE_LIMIT_TYPE = "rate_limit_error"
CONFLICT_TYPE = "conflict_error"

CREDENTIAL_ASIDE_S = (
    60.0  # a refused credential is not mended by asking again; a minute lets the operator's fix take hold
)


class TurnstileError(Exception):
    """Any failure that ends, or may end, a request.

    *message* is shown to the caller; *param* is the path of the field at fault; *detail* goes to the log only;
    *retry_after_s* becomes the header `Retry-After`; `upstream_status` is the HTTP status that an upstream failed with.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    type: ClassVar[str] = SERVER_TYPE
    event: ClassVar[Event]
    end_reason: ClassVar[EndReason]
    text: ClassVar[str] = ""  # the message when none is given
    retryable: ClassVar[bool] = False
    falls_back: ClassVar[bool] = False
    trips_breaker: ClassVar[bool] = False
    fails_whole_upstream: ClassVar[bool] = False  # the breaker counts it for every model of the upstream
    credential_aside_s: ClassVar[float] = 0.0  # how long the credential that met it is not used
    cools_credential: ClassVar[bool] = False  # the credential that met it rests as long as the upstream asks
    forbids_client_retry: ClassVar[bool] = False  # `x-should-retry: false`: our own budget is spent
    closes_connection: ClassVar[bool] = False
    turn_refused: ClassVar[bool] = False  # as the answer to a turn: the upstream has surely not taken it

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        detail: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.message = message or self.text
        self.param = param
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.upstream_status: int | None = None
        super().__init__(self.message)

    @property
    def told_status(self) -> int:
        """The HTTP status to answer with; a few errors carry the upstream's own."""
        return self.status

    @property
    def told_code(self) -> str:
        """The code to answer with; a few errors carry one of a family, or the upstream's own."""
        return self.code

    @property
    def clock(self) -> str | None:
        """The clock that ran out, if one did."""
        return None
