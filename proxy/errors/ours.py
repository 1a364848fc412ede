"""Errors by our own fault, or for our own reasons."""

from proxy.errors.base import TurnstileError
from statechart.vocabulary import EndReason, Event


class Overloaded(TurnstileError):
    """This gateway, or the upstream's share of it, has no room."""

    code = "overloaded"
    status = 503
    event = Event.NO_CAPACITY
    end_reason = EndReason.OVERLOADED
    falls_back = True
    text = "The gateway has no room for this request."

    def __init__(
        self, message: str | None = None, *, retry_after_s: float | None = None, clock: str | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self._clock = clock

    @property
    def clock(self) -> str | None:
        return self._clock


class ShuttingDown(TurnstileError):
    """The gateway is going down."""

    code = "shutting_down"
    status = 503
    event = Event.SHUTTING_DOWN
    end_reason = EndReason.SHUTDOWN
    closes_connection = True
    text = "The gateway is shutting down."

    def __init__(self) -> None:
        super().__init__(retry_after_s=1.0)


class DeadlinePassed(TurnstileError):
    """The request took longer than the clock `total` allows."""

    code = "total_timeout"
    status = 504
    event = Event.DEADLINE_PASSED
    end_reason = EndReason.TIMEOUT
    forbids_client_retry = True

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request took longer than {seconds:g} seconds (clock 'total').")

    @property
    def clock(self) -> str | None:
        return "total"


class InternalError(TurnstileError):
    """A bug of ours; the log has the traceback, the caller gets one plain sentence."""

    code = "internal_error"
    status = 500
    event = Event.CRASHED
    end_reason = EndReason.INTERNAL_ERROR
    forbids_client_retry = True
    text = "The gateway failed; the failure was logged under this request's id."
