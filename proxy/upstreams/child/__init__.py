"""Child processes that speak JSON-RPC over their pipes: what every such kind of upstream shares."""

from proxy.upstreams.child.child import Child
from proxy.upstreams.child.kind import Attendant, ChildKind, ChildLimits, Unsupported
from proxy.upstreams.child.pool import Pool
from proxy.upstreams.child.process import Command, within
from proxy.upstreams.child.rpc import METHOD_NOT_FOUND, Failure, RpcId, RpcPeer, RpcRefused

__all__ = [
    "METHOD_NOT_FOUND",
    "Attendant",
    "Child",
    "ChildKind",
    "ChildLimits",
    "Command",
    "Failure",
    "Pool",
    "RpcId",
    "RpcPeer",
    "RpcRefused",
    "Unsupported",
    "within",
]
