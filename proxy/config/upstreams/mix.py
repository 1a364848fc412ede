"""mix: a private session chat site, which keeps the conversations itself."""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from proxy.config.fields import Count, Name, Section, Text, Unit
from proxy.config.problems import problem
from proxy.config.secret import SecretField, SecretTree
from proxy.config.upstreams.base import UpstreamBase
from proxy.config.upstreams.credential import Credential
from proxy.config.upstreams.dynamic import Dynamic
from proxy.config.upstreams.http import HeaderName, base_url
from proxy.wire.request import ModelRules
from proxy.wire.request.values import ID_PATTERN, ID_RULE

PHRASE_CLASSES = ("token", "session", "context", "quota", "rate", "busy", "policy")


def _base_or_none(url: str) -> str:
    return base_url(url) if url else ""


def _persona(text: str) -> str:
    if text and not ID_PATTERN.fullmatch(text):
        raise problem(f"expected {ID_RULE}")
    return text


def _header_text(text: str) -> str:
    if not text.isascii():
        raise problem("is sent in a header, so it is made of ASCII characters")
    return text


def _classes(phrases: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for name in phrases:
        if name not in PHRASE_CLASSES:
            raise problem(f"{name!r} is no class of errors; classes: {', '.join(PHRASE_CLASSES)}")
    return {name: tuple(each.lower() for each in listed) for name, listed in phrases.items()}


HeaderText: TypeAlias = Annotated[Text, AfterValidator(_header_text)]
PhraseTable: TypeAlias = Annotated[dict[str, tuple[Name, ...]], AfterValidator(_classes)]


class LabelTable(Section):
    """What stands above each section of a turn."""

    instructions: Name
    """Above what operators say."""
    summary: Name
    """Above what is told of turns that were left out."""
    past: Name
    """Above earlier turns."""
    results: Name
    """Above results of tools."""
    question: Name
    """Above what is asked now."""


class MixUpstream(UpstreamBase):
    """A private session chat site: it keeps each conversation under a session's id, and a turn tells what is new."""

    default_dialect: ClassVar[str] = "json"
    short_model_names: ClassVar[bool] = True

    kind: Literal["mix"]
    """What it speaks."""
    base_url: Annotated[str, AfterValidator(_base_or_none)] = ""
    """URL that `chat_path` is appended to; empty where every caller names one."""
    chat_path: Text = "/v2/chats"
    """Path of the one endpoint; empty = the base alone."""
    credential: Credential = Credential()
    """How the gateway shows who it is."""
    dynamic: Dynamic = Dynamic()
    """Base URLs that callers may name themselves."""
    agent: Text = "web-general"
    """Sent as `request.agent_slug`."""
    search: bool = True
    """Sent as `request.modes.search`."""
    personalized: bool = True
    """Sent as `is_personalized`."""
    locale: dict[str, Any] = Field(default_factory=lambda: {"location": "Asia/Shanghai", "language": "zh-CN"})
    """Sent as `request.locale`."""
    persona: Annotated[Text, AfterValidator(_persona)] = ""
    """Sent as `request.persona_id`; empty = left out."""
    allow_persona: bool = True
    """Whether callers may name another persona."""
    accept_language: HeaderText = "zh-CN,zh;q=0.9,en;q=0.8"
    """Value of the header `Accept-Language`; empty = left out."""
    referer: HeaderText = ""
    """Value of the header `Referer`; empty = left out."""
    extra_headers: dict[HeaderName, SecretField] = Field(default_factory=dict)
    """Headers added last, over others; each the value itself, or `env:NAME` or `file:PATH`."""
    extra_body: SecretTree = Field(default_factory=dict)
    """Merged over the body of every turn, table by table; texts as for `extra_headers`."""
    upstream_stream: Literal["always", "match"] = "always"
    """`match` asks for a stream only for a caller who wants one, and without tools."""
    text_in: Literal["query", "messages", "both"] = "both"
    """Which field carries a turn; with `both` each alone is the whole turn."""
    labels: Literal["en", "zh"] | LabelTable = "en"
    """Labels of the sections of a turn: `en`, `zh`, or a table of the five."""
    query_max_chars: Annotated[Count, Unit("characters")] = 0
    """Longest `request.query`; 0 = no limit."""
    chain: Literal["session", "exchange"] = "session"
    """`session`: only a session's last turn can be continued; `exchange`: any; `turnstile probe UPSTREAM` finds out."""
    exchange_as_session: bool = False
    """Whether an exchange's id stands for the session's where that never comes."""
    phrases: PhraseTable = Field(default_factory=dict)
    """Phrases by which errors are told apart, by class; a class that is given replaces its list."""
    unsupported_parts: Literal["reject", "placeholder"] = "reject"
    """What becomes of images and the like: the request is refused, or `[image_url omitted]` is sent."""
    empty_answer: Literal["accept", "error"] = "accept"
    """What an answer without any text is."""

    @model_validator(mode="after")
    def _has_a_base(self) -> Self:
        if not self.base_url and self.credential.token_url.startswith("/"):
            raise problem("`credential.token_url` is a path, and there is no `base_url` that it could be below")
        if type(self.extra_body) is not dict:
            raise problem("`extra_body` must be a table")
        return self

    @property
    def always_streams(self) -> bool:
        """Whether it is asked for a stream also when the caller wants the answer in one piece."""
        return self.upstream_stream == "always"

    @property
    def shares_credential(self) -> bool:
        """Whether all callers' requests go there under one credential."""
        return self.credential.mode != "pass_through"

    @property
    def rules(self) -> ModelRules:
        """What requests may hold."""
        fields = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "persona_id", "personaId", "request")
        return ModelRules(
            require_user=self.requires_user,
            any_part=self.unsupported_parts == "placeholder",
            honoured=frozenset(fields),
            id_fields=frozenset({"exchange_id"}),
        )

    @property
    def probes_branch(self) -> bool:
        """Whether turns before the last are continued, too."""
        return self.chain == "exchange"

    def variants_to_probe(self) -> dict[str, Self]:
        """Both ways to chain."""
        return {f'chain = "{chain}"': self.model_copy(update={"chain": chain}) for chain in ("session", "exchange")}
