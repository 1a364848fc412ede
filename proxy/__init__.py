"""Turnstile: an OpenAI-compatible chat gateway in which every request is one walk through one statechart."""

__version__ = "0.1.0"
