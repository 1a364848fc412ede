"""Base URLs that callers may name themselves."""

import re
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, model_validator

from proxy.config.fields import Section, unique
from proxy.config.problems import problem

_ENTRY = re.compile(
    r"(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?:\*|[1-9][0-9]{0,4}))?", re.IGNORECASE
)


def _host_entry(entry: str) -> str:
    if not _ENTRY.fullmatch(entry):
        raise problem("expected a host like chat.example.org, *.example.org or *, maybe with a port: example.org:8443")
    return entry.lower()


HostEntries: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(_host_entry)], ...], AfterValidator(unique)]


class Dynamic(Section):
    """Whether callers may name the base URL themselves, by `x-upstream-base-url` or `upstream_base_url`."""

    enabled: bool = False
    """If not, a request that names one is refused."""
    allow_hosts: HostEntries = ()
    """`h` = that host, `*.h` = all below it, `*` = any; on the scheme's own port, `h:8443`, or `h:*` = any port."""
    allow_http: bool = False
    """Allow `http`, not only `https`."""
    allow_private: bool = False
    """Allow addresses that are not public: this host, private networks."""

    @model_validator(mode="after")
    def _allows_something(self) -> Self:
        if self.enabled and not self.allow_hosts:
            raise problem('is enabled, and `allow_hosts` is empty; "*" allows any host')
        return self
