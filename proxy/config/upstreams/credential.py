"""How the gateway shows who it is to a server that speaks Chat Completions."""

from typing import Literal, Self

from pydantic import Field, model_validator

from proxy.config.fields import Section
from proxy.config.problems import problem
from proxy.config.secret import SecretField
from proxy.config.upstreams.http import HeaderName


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
