"""The error tree, by whose fault.  An error carries its consequences, so that no ending is chosen anywhere else.

`code`, `status`, `type`: what the caller sees; the set of codes is closed, and a code belongs to exactly one ending.
`event`: what the error becomes on the chart.  `retryable`: the same candidate may do better.  `falls_back`: another
candidate may.  `trips_breaker`: it counts against the upstream's health.  Messages are our own text, or an upstream's
word about the caller's request, redacted: no prompt, key, cookie or internal address is ever in one.  *detail* is for
the log.
"""

from proxy.errors.base import (
    TurnstileError,
)
from proxy.errors.caller import (
    REQUEST_CODES,
    BodyTooSlow,
    ClientGone,
    ConcurrencyLimitExceeded,
    ContextLengthExceeded,
    ConversationBusy,
    HeadersTooLarge,
    InvalidApiKey,
    MalformedHttp,
    MethodNotSupported,
    ModelNotAllowed,
    ModelNotFound,
    RateLimitExceeded,
    RequestRejected,
    RequestTooLarge,
    SessionNotFound,
    SlowReader,
    UnknownUrl,
    UnsupportedContentEncoding,
    UnsupportedContentType,
)
from proxy.errors.ours import (
    DeadlinePassed,
    InternalError,
    Overloaded,
    ShuttingDown,
)
from proxy.errors.upstream import (
    ConnectTimeout,
    ConversationLost,
    CredentialRefused,
    CredentialStale,
    SessionLost,
    SessionStoreUnavailable,
    TokenNotIssued,
    TokenTimeout,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRedirected,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
    UpstreamUnreachable,
    UpstreamUntrusted,
)
from proxy.errors.upstream_said import (
    InsufficientQuota,
    PassThroughDenied,
    PassThroughForbidden,
    UpstreamContentFiltered,
    UpstreamContextLength,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRefused,
)

__all__ = [
    "REQUEST_CODES",
    "BodyTooSlow",
    "ClientGone",
    "ConcurrencyLimitExceeded",
    "ConnectTimeout",
    "ContextLengthExceeded",
    "ConversationBusy",
    "ConversationLost",
    "CredentialRefused",
    "CredentialStale",
    "DeadlinePassed",
    "HeadersTooLarge",
    "InsufficientQuota",
    "InternalError",
    "InvalidApiKey",
    "MalformedHttp",
    "MethodNotSupported",
    "ModelNotAllowed",
    "ModelNotFound",
    "Overloaded",
    "PassThroughDenied",
    "PassThroughForbidden",
    "RateLimitExceeded",
    "RequestRejected",
    "RequestTooLarge",
    "SessionLost",
    "SessionNotFound",
    "SessionStoreUnavailable",
    "ShuttingDown",
    "SlowReader",
    "TokenNotIssued",
    "TokenTimeout",
    "TurnstileError",
    "UnknownUrl",
    "UnsupportedContentEncoding",
    "UnsupportedContentType",
    "UpstreamAuthFailed",
    "UpstreamBusy",
    "UpstreamChallenge",
    "UpstreamContentFiltered",
    "UpstreamContextLength",
    "UpstreamDisconnected",
    "UpstreamEmptyAnswer",
    "UpstreamFailed",
    "UpstreamModelNotFound",
    "UpstreamOversize",
    "UpstreamProtocolError",
    "UpstreamRateLimited",
    "UpstreamRedirected",
    "UpstreamRefused",
    "UpstreamRejected",
    "UpstreamTimeout",
    "UpstreamTruncated",
    "UpstreamUnavailable",
    "UpstreamUnreachable",
    "UpstreamUntrusted",
    "error_classes",
]


def error_classes() -> list[type[TurnstileError]]:
    """Every class that can be told to a caller, in the order written: the source of docs/errors.md."""
    found: list[type[TurnstileError]] = []

    def walk(cls: type[TurnstileError]) -> None:
        for sub in cls.__subclasses__():
            if sub.__module__.startswith(__name__ + "."):
                found.append(sub)
                walk(sub)

    walk(TurnstileError)
    return found
