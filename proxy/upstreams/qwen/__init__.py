"""qwen: the Qwen web chat.

The site keeps the conversation: a chat is a tree of nodes, a turn is sent with the id of the node that it continues,
and only what is new travels.
"""

from proxy.upstreams.qwen.upstream import QwenUpstream

__all__ = ["QwenUpstream"]
