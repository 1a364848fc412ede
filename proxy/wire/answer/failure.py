"""A failure as the caller sees it: the same envelope as a body and as the last frame of a stream."""

from proxy.errors import TurnstileError
from proxy.wire.answer.json_out import dump
from proxy.wire.answer.sse_out import DATA


def error_body(error: TurnstileError) -> bytes:
    """`{"error":{"message", "type", "param", "code"}}`: these four keys, always, and `param` alone may be null."""
    return dump(
        {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.told_code}}
    )


def error_frame(error: TurnstileError) -> bytes:
    """The one frame that ends a stream that failed; nothing follows it, above all no `[DONE]`."""
    return b"%b%b\n\n" % (DATA, error_body(error))
