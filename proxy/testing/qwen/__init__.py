"""The Qwen web chat, as a server in the test's own event loop.

    async with QwenSite() as site:
        site.answers("Hello.", Says("It is sunny.", thinking=("They ask",)), Refuses.busy())
        ...                                     # call site.base_url
        assert site.contexts[-1] == [("user", "Hi"), ("assistant", "Hello."), ("user", "And now?")]

It keeps chats as trees of nodes, rebuilds what a model is shown by walking up from `parent_id`, and refuses what the
site refuses.
"""

from proxy.testing.qwen.plays import FUNCTION_FRAMES, Answers, Refuses, Says
from proxy.testing.qwen.site import QwenSite
from proxy.testing.qwen.tree import Chat, Exchange

__all__ = ["FUNCTION_FRAMES", "Answers", "Chat", "Exchange", "QwenSite", "Refuses", "Says"]
