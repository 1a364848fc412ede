"""The life of a request, as data.

Standard library and `transitions` only; no input or output, no clock, no coroutine.  Start reading at `vocabulary`,
then `chart`: that is the table which the daemon runs and which reviewers read.
"""
