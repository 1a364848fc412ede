"""`[[upstreams]]`: the backends.  A kind is one class here, and one row in the table at the end."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, model_validator

from proxy.config.clocks import ClockTable
from proxy.config.fields import Count, Name, Section, Unit, unique
from proxy.config.problems import kind_of, nearest, problem, problems, shown
from proxy.config.script import Script
from proxy.config.secret import SecretField

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2

_HOP_BY_HOP = (
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)  # RFC 9110 §7.6.1
_FRAMING = ("accept-encoding", "content-encoding", "content-length", "content-type", "expect", "host")
_CREDENTIALS = ("authorization", "cookie", "x-api-key")


def _header_name(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise problem(f"{name!r} is not a header's name")
    lower = name.lower()
    if lower in _HOP_BY_HOP or lower in _FRAMING:
        raise problem(f"{lower!r} belongs to one connection, and is never passed on")
    return lower


def _forwarded_name(name: str) -> str:
    lower = _header_name(name)
    if lower in _CREDENTIALS:
        raise problem(f"{lower!r} is not forwarded; pass_through sends the caller's own key")
    return lower


def _base_url(url: str) -> str:
    """*url* without its last slash; it is never repeated in an error, since it may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https") or port == 0 or not url.isprintable() or " " in url:
        raise problem("expected a URL like http://127.0.0.1:8000/v1: http or https, with a host")
    if "@" in parts.netloc:
        raise problem("must not hold a user name or password; give them by `credential`")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise problem("must not have a query or a fragment")
    return url.rstrip("/")


HeaderName: TypeAlias = Annotated[str, AfterValidator(_header_name)]
ForwardedNames: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_forwarded_name)], ...], AfterValidator(unique)
]


class Credential(Section):
    """How the gateway shows who it is to an upstream."""

    mode: Literal["none", "static", "pass_through"] = "none"
    """`static`: by `token` or `headers`; `pass_through`: by the caller's own key."""
    token: SecretField | None = None
    """Sent as `Authorization: Bearer`: the token itself, or `env:NAME` or `file:PATH`."""
    headers: dict[HeaderName, SecretField] = Field(default_factory=dict)
    """Headers sent with every call; values as for `token`."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.mode == "static" and self.token is None and not self.headers:
            raise problem('mode "static" needs `token` or `headers`')
        if self.mode != "static" and self.token is not None:
            raise problem(f'`token` needs mode = "static", and the mode is "{self.mode}"')
        if "authorization" in self.headers and (self.token is not None or self.mode == "pass_through"):
            raise problem("`Authorization` is given twice: among the `headers`, and by the mode")
        return self


class UpstreamBase(Section):
    """What upstreams of every kind have."""

    requires_user: ClassVar[bool] = True
    """Whether requests to upstreams of this kind need a user message, unless the model entry says otherwise."""

    name: Name
    """What model entries, logs and metrics call it."""
    kind: str = "openai"
    """What it speaks: `openai` or `scripted`."""
    max_parallel: Annotated[Count, Unit("calls")] = 0
    """Calls at a time, per worker; 0 = no limit."""
    clocks: ClockTable = ClockTable()
    """Clocks that differ for this upstream."""

    @property
    def shares_credential(self) -> bool:
        """Whether all callers' requests go there under one credential."""
        return False

    @property
    def always_streams(self) -> bool:
        """Whether it is asked for a stream also when the caller wants the answer in one piece."""
        return False

    @classmethod
    def unknown_key(cls, key: str) -> str:
        """Tell a key of another kind from one that nobody knows."""
        for kind, other in KINDS.items():
            if key in other.model_fields:
                mine = next(name for name, known in KINDS.items() if known is cls)
                return f"a field of kind {kind!r}; this upstream is of kind {mine!r}"
        return super().unknown_key(key)


class OpenAIUpstream(UpstreamBase):
    """A server that speaks Chat Completions."""

    requires_user: ClassVar[bool] = False

    kind: Literal["openai"] = "openai"
    """What it speaks."""
    base_url: Annotated[str, AfterValidator(_base_url)]
    """URL that `/chat/completions` is appended to."""
    credential: Credential = Credential()
    """How the gateway shows who it is."""
    upstream_stream: Literal["match", "always"] = "match"
    """`always` asks for a stream also when the caller does not: for servers that notice an abort only by writing."""
    http_client: Literal["pooled", "aiohttp"] = "pooled"
    """Who speaks HTTP to it: `pooled` is fast; `aiohttp` is for a server that does not get on with it."""
    forward_headers: ForwardedNames = ()
    """Headers of the caller that are passed on."""
    token_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"  # noqa: S105 - a field's name
    """The one field by which it takes the limit of output tokens."""
    developer_role: bool = True
    """Whether it knows the role `developer`; if not, such messages are sent as `system`."""
    text: Literal["delta", "snapshot"] = "delta"
    """`snapshot` where each chunk repeats the whole text so far."""
    arguments: Literal["delta", "snapshot"] = "delta"
    """`snapshot` where each chunk repeats a call's whole arguments so far."""
    think_tags: bool = False
    """Whether text between `<think>` and `</think>` is reasoning."""

    @property
    def always_streams(self) -> bool:
        """Whether it is asked for a stream also when the caller wants the answer in one piece."""
        return self.upstream_stream == "always"

    @property
    def shares_credential(self) -> bool:
        """Whether all callers' requests go there under one credential; an address without any counts as one."""
        return self.credential.mode != "pass_through"


class ScriptedUpstream(UpstreamBase):
    """An upstream inside the daemon that says what a script tells it to: for a first start, and for tests."""

    kind: Literal["scripted"]
    """What it speaks."""
    script: Script = ()
    """The steps of every answer; without any script it answers with a text of its own."""
    scripts: tuple[Script, ...] = ()
    """One script per call, in turn; the last one repeats."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.script and self.scripts:
            raise problems(type(self).__name__, [(("scripts",), "is given along with `script`; keep one of them")])
        return self

    @property
    def turns(self) -> tuple[Script, ...]:
        """One script per call, in turn, the last one repeats; none when nothing is scripted."""
        return self.scripts or ((self.script,) if self.script else ())


KINDS: dict[str, type[UpstreamBase]] = {
    "openai": OpenAIUpstream,
    "scripted": ScriptedUpstream,
}
"""The kinds of upstream, by name."""


def _upstream(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, UpstreamBase):
        return value
    if not isinstance(value, dict):
        raise problem(f"expected a table, got {kind_of(value)}")
    kind = value.get("kind", UpstreamBase.model_fields["kind"].default)
    if not isinstance(kind, str) or kind not in KINDS:
        known = nearest(kind, KINDS, of="kinds") if isinstance(kind, str) else f"kinds: {', '.join(KINDS)}"
        raise problems("upstream", [(("kind",), f"unknown kind {shown(kind)}; {known}")])
    return KINDS[kind].model_validate(value, context=info.context)


Upstream: TypeAlias = Annotated[OpenAIUpstream | ScriptedUpstream, PlainValidator(_upstream)]
