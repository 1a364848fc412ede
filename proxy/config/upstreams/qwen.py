"""qwen: the Qwen web chat, which keeps the conversations itself."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, model_validator

from proxy.config.fields import Seconds, Section, Text
from proxy.config.problems import kind_of, problem
from proxy.config.secret import Origin, Secret, SecretField, resolved_secret
from proxy.config.upstreams.base import UpstreamBase
from proxy.config.upstreams.http import BaseUrl, HeaderName
from proxy.wire.request import ModelRules

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)


def _header_value(value: Any, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    return Secret("", "") if value == "" else resolved_secret(value, info.context or Origin())


def _path(value: Any, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value:
        raise problem(f"expected the path of a file, got {kind_of(value) if value != '' else 'an empty one'}")
    origin: Origin = info.context or Origin()
    return str(origin.folder / Path(value).expanduser())


def _ascii(text: str) -> str:
    if not text.isascii():
        raise problem("is sent in a header, so it is made of ASCII characters")
    return text


HeaderValue: TypeAlias = Annotated[Secret, PlainValidator(_header_value)]
FilePath: TypeAlias = Annotated[str, PlainValidator(_path)]
AsciiText: TypeAlias = Annotated[Text, AfterValidator(_ascii)]


class QwenCredential(Section):
    """How the gateway shows who it is to the Qwen web chat: a token and cookies, both of one login."""

    mode: Literal["none", "static", "managed"] = "none"
    """`static`: by `token` and `cookies`; `managed`: by a file that something else keeps fresh."""
    token: SecretField | None = None
    """Value of the header that `token_header` names; the token itself, or `env:NAME` or `file:PATH`."""
    cookies: SecretField | None = None
    """Value of the header `Cookie`, sent as it is."""
    path: FilePath | None = None
    """A JSON file with `token`, `cookies` and `expires_at` (Unix seconds or null); read again when it changes."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        by_value = self.token is not None and self.cookies is not None
        if self.mode == "static" and not by_value:
            raise problem('mode "static" needs `token` and `cookies`')
        if self.mode != "static" and (self.token is not None or self.cookies is not None):
            raise problem(f'`token` and `cookies` need mode = "static", and the mode is "{self.mode}"')
        if (self.mode == "managed") != (self.path is not None):
            raise problem('`path` and mode = "managed" belong together')
        return self


class QwenUpstream(UpstreamBase):
    """The Qwen web chat: each conversation is a chat there, and a turn tells only what is new."""

    default_dialect: ClassVar[str] = "xml_tags"

    kind: Literal["qwen"]
    """What it speaks."""
    base_url: BaseUrl = "https://chat.qwen.ai"
    """Scheme and host, maybe with the beginning of a path, that every call goes to."""
    credential: QwenCredential = QwenCredential()
    """How the gateway shows who it is; without any, requests are refused until there is one."""
    token_header: HeaderName = "bx-umidtoken"  # noqa: S105 - a header's name
    """Header that carries the credential's `token`."""
    user_agent: AsciiText = BROWSER
    """Value of the header `User-Agent`; the site wants to see a browser."""
    extra_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Headers added last, over others; an empty one is left out; they know `{base_url}`, `{chat_id}`, `{uuid}`."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Merged over the body of every completion."""
    feature_config: dict[str, Any] = Field(default_factory=dict)
    """Merged over the `feature_config` of every message."""
    chat_mode: Literal["auto", "guest", "normal"] = "auto"
    """`auto`: `normal` if the cookies hold one named `token`, else `guest`."""
    chat_title: Text = "API chat"
    """Title of a new chat."""
    chain: Literal["parent_id", "response_id"] = "parent_id"
    """Which id of an answer the next turn continues; `turnstile probe UPSTREAM` finds out which one remembers."""
    upstream_stream: Literal["always", "match"] = "always"
    """`match` asks for a stream only when the caller does."""
    system_mode: Literal["message", "inline"] = "message"
    """System text goes into a message of its own, or `inline`, at the head of the first user text."""
    thinking: Literal["off", "on", "request"] = "off"
    """`request`: on unless `reasoning_effort` is absent or `none`."""
    unsupported_parts: Literal["reject", "placeholder"] = "reject"
    """What becomes of images and the like: the request is refused, or `[image_url omitted]` is sent."""
    on_tools_change: Literal["announce", "replay"] = "announce"
    """When a conversation's tools change: say so in the next turn, or begin a new chat."""
    empty_answer: Literal["error", "accept"] = "error"
    """What an answer without any text is."""
    stop_on_abort: bool = True
    """Tell the site to stop when a turn is given up."""
    models: Literal["configured", "discover"] = "configured"
    """`discover` adds the site's models to those configured."""
    models_ttl_s: Seconds = 3600
    """How old the list of the site's models may get."""

    @property
    def always_streams(self) -> bool:
        """Whether it is asked for a stream also when the caller wants the answer in one piece."""
        return self.upstream_stream == "always"

    @property
    def shares_credential(self) -> bool:
        """Whether all callers' requests go there under one credential."""
        return True

    @property
    def rules(self) -> ModelRules:
        """What requests may hold."""
        return ModelRules(
            require_user=self.requires_user,
            any_part=self.unsupported_parts == "placeholder",
            honoured=frozenset({"reasoning_effort"}) if self.thinking == "request" else frozenset(),
            needs_new_text=True,
        )

    def variants_to_probe(self) -> dict[str, Self]:
        """Both ways to chain."""
        chains = ("parent_id", "response_id")
        return {f'chain = "{chain}"': self.model_copy(update={"chain": chain}) for chain in chains}
