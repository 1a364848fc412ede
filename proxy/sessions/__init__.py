"""Conversations: which one a request belongs to, and who holds it."""
