"""The budget of a call: how many tokens its input is, whether that fits, and what is left out where it does not.

Only what is told to the upstream is changed: the conversation is found by what the caller has sent.
"""

from proxy.budget.estimate import estimate_tokens_of, o200k
from proxy.budget.fit import Fitted, fit, rendering_of

__all__ = ["Fitted", "estimate_tokens_of", "fit", "o200k", "rendering_of"]
