"""Credentials: how an upstream is shown who is calling, whatever the kind of upstream.

`Credential` is what an adapter asks before each call; `TokenKeeper` fetches and renews tokens, one flight at a time;
`TokenShare` is how the processes of an installation share them.
"""

from proxy.credentials.credential import Credential, Shown, passed_token
from proxy.credentials.issued import Issued, read_issued
from proxy.credentials.keeper import Fetch, TokenKeeper
from proxy.credentials.share import NO_SHARE, Seen, SharedToken, TokenShare

__all__ = [
    "NO_SHARE",
    "Credential",
    "Fetch",
    "Issued",
    "Seen",
    "SharedToken",
    "Shown",
    "TokenKeeper",
    "TokenShare",
    "passed_token",
    "read_issued",
]
