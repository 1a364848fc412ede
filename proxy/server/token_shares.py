"""Which tokens are shared: those of managed credentials, under a name that all instances agree on."""

import json
from collections.abc import Mapping
from hashlib import blake2b

from proxy.config import Credential as Configured
from proxy.config import Settings, revealed
from proxy.config.upstreams.credential import key_bytes
from proxy.credentials import Credential
from proxy.deadline import Clock
from proxy.ports import Upstream
from proxy.sessions.store import RecordStore
from proxy.sessions.token_share import StoredTokenShare


def share_tokens(settings: Settings, upstreams: Mapping[str, Upstream], records: RecordStore, clock: Clock) -> None:
    """Let every upstream with a token of its own share it in *records*."""
    for entry in settings.upstreams:
        configured = getattr(entry, "credential", None)
        credential = getattr(upstreams[entry.name], "bearer", None)
        if isinstance(configured, Configured) and isinstance(credential, Credential):
            key = None if configured.share_key is None else key_bytes(configured.share_key.reveal())
            credential.join(StoredTokenShare(records, clock, share_name(entry.name, configured), key))


def share_name(upstream: str, entry: Configured) -> str:
    """One name for the same token everywhere, another where anything of the request for it differs."""
    headers = {name: value.reveal() for name, value in entry.headers.items()}
    asked = json.dumps([entry.method, headers, revealed(entry.body)], sort_keys=True)
    return json.dumps([upstream, entry.token_url, blake2b(asked.encode(), digest_size=16).hexdigest()])
