"""mix: a private session chat site.

It keeps the conversation under a session's id, and each turn has an exchange's id.  A turn is one POST; its answer
comes as events or as JSON, whatever was asked for.
"""

from proxy.upstreams.mix.upstream import MixUpstream

__all__ = ["MixUpstream"]
