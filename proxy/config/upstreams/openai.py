"""openai: servers that speak Chat Completions."""

from typing import ClassVar, Literal

from proxy.config.upstreams.base import UpstreamBase
from proxy.config.upstreams.credential import Credential
from proxy.config.upstreams.dynamic import Dynamic
from proxy.config.upstreams.http import BaseUrl, ForwardedNames
from proxy.wire.request import ModelRules


class OpenAIUpstream(UpstreamBase):
    """A server that speaks Chat Completions."""

    requires_user: ClassVar[bool] = False

    kind: Literal["openai"] = "openai"
    """What it speaks."""
    base_url: BaseUrl
    """URL that `/chat/completions` is appended to."""
    credential: Credential = Credential()
    """How the gateway shows who it is."""
    dynamic: Dynamic = Dynamic()
    """Base URLs that callers may name themselves."""
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

    @property
    def rules(self) -> ModelRules:
        """Whatever we don't know passes through."""
        return ModelRules(openai=True, require_user=self.requires_user)
