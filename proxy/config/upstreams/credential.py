"""How the gateway shows who it is to an upstream over HTTP."""

import base64
import binascii
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, model_validator

from proxy.config.fields import Count, Name, Seconds, Section
from proxy.config.problems import problem
from proxy.config.secret import Origin, Secret, SecretField, SecretTree, resolved_secret
from proxy.config.upstreams.http import HeaderName, base_url

KEY_BYTES = 32
_OWN_FIELDS: dict[str, tuple[str, ...]] = {
    "static": ("token",),
    "pass_through": ("header",),
    "managed": (
        "token_url",
        "method",
        "body",
        "token_field",
        "expires_in_field",
        "skew_s",
        "recoveries",
        "share",
        "share_key",
    ),
}
"""The fields that only one mode has a use for."""


def _token_url(url: str) -> str:
    return url if url.startswith("/") or not url else base_url(url)


def key_bytes(text: str) -> bytes | None:
    """The 32 bytes that hexadecimal digits or base64 stand for."""
    for decode in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        try:
            key = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    return None


def _share_key(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    secret = resolved_secret(value, info.context or Origin())
    if key_bytes(secret.reveal()) is None:
        raise problem(f"expected {KEY_BYTES} bytes, as {2 * KEY_BYTES} hexadecimal digits or in base64")
    return secret


TokenUrl: TypeAlias = Annotated[str, AfterValidator(_token_url)]
ShareKey: TypeAlias = Annotated[Secret, PlainValidator(_share_key)]


class Credential(Section):
    """How the gateway shows who it is to an upstream."""

    mode: Literal["none", "static", "pass_through", "managed"] = "none"
    """`static`: by `token` or `headers`; `pass_through`: by the caller's own key; `managed`: by a fetched token."""
    token: SecretField | None = None
    """Sent as `Authorization: Bearer`: the token itself, or `env:NAME` or `file:PATH`."""
    headers: dict[HeaderName, SecretField] = Field(default_factory=dict)
    """Headers sent with every call, with `managed` with every request for a token; values as for `token`."""
    header: HeaderName = "authorization"
    """With `pass_through`: the caller's header whose token is passed on."""
    token_url: TokenUrl = ""
    """With `managed`: where tokens are fetched; a path is one below the configured `base_url`."""
    method: Literal["POST", "GET", "PUT"] = "POST"
    """How tokens are asked for."""
    body: SecretTree | None = None
    """What is sent for a token: a table is sent as JSON, a string as it is; texts as for `token`."""
    token_field: Name = "access_token"  # noqa: S105 - a field's name
    """The field of the answer that holds the token; `access_token`, `token`, `id_token` are looked at, too."""
    expires_in_field: Name = "expires_in"
    """The field that holds the seconds it lives; other usual fields are looked at, too."""
    skew_s: Seconds = 60.0
    """How long before its end a token is renewed, at most half its life."""
    recoveries: Annotated[Count, Field(le=3)] = 1
    """How often one request renews a token that the upstream refuses."""
    share: bool = True
    """Whether tokens are shared with other workers and instances, in the store of conversations."""
    share_key: ShareKey | None = None
    """What seals tokens in that store: 32 bytes, in hexadecimal digits or base64; needed for Redis over a network."""

    @property
    def open_in_store(self) -> bool:
        """Whether whoever reads the store of conversations finds tokens there."""
        return self.mode == "managed" and self.share and self.share_key is None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.mode == "static" and self.token is None and not self.headers:
            raise problem('mode "static" needs `token` or `headers`')
        if self.mode == "managed" and not self.token_url:
            raise problem('mode "managed" needs `token_url`')
        for mode, names in _OWN_FIELDS.items():
            for name in names if mode != self.mode else ():
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise problem(f'`{name}` needs mode = "{mode}", and the mode is "{self.mode}"')
        if self.mode != "managed" and "authorization" in self.headers and (self.token or self.mode == "pass_through"):
            raise problem("`Authorization` is given twice: among the `headers`, and by the mode")
        return self
