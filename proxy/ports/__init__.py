"""What the states may ask of the world, as Protocols.

Whoever implements one of these stands on the other side: `proxy.server` for the caller and the lifecycle,
`proxy.routing` for the gate and the catalog, `proxy.sessions` for conversations, `proxy.upstreams` for the kinds of
upstream, `proxy.testing` for all of them.
"""

from proxy.ports.catalog import Candidate, Catalog, Health, Place, RequestCheck, Route, Visit
from proxy.ports.client import Client, Headers, RequestHead
from proxy.ports.conversations import FRESH, Conversation, SessionStore
from proxy.ports.gate import ANONYMOUS, Caller, Gate, Lifecycle, Release, Slots
from proxy.ports.upstream import (
    ChecksRequests,
    Credential,
    CredentialState,
    EventSink,
    HasCredential,
    Inherits,
    Keeps,
    LaysOut,
    Node,
    Offer,
    OffersModels,
    Override,
    Plan,
    Rendering,
    Turn,
    Upstream,
    UpstreamCall,
)
from proxy.ports.world import Limits, Ports, ToolOutcomes

__all__ = [
    "ANONYMOUS",
    "FRESH",
    "Caller",
    "Candidate",
    "Catalog",
    "ChecksRequests",
    "Client",
    "Conversation",
    "Credential",
    "CredentialState",
    "EventSink",
    "Gate",
    "HasCredential",
    "Headers",
    "Health",
    "Inherits",
    "Keeps",
    "LaysOut",
    "Lifecycle",
    "Limits",
    "Node",
    "Offer",
    "OffersModels",
    "Override",
    "Place",
    "Plan",
    "Ports",
    "Release",
    "Rendering",
    "RequestCheck",
    "RequestHead",
    "Route",
    "SessionStore",
    "Slots",
    "ToolOutcomes",
    "Turn",
    "Upstream",
    "UpstreamCall",
    "Visit",
]
