"""Commands of `turnstile` that look at what a daemon keeps, or at what it talks to; one file each."""
