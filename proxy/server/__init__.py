"""The daemon over aiohttp: endpoints, the caller's side of a request, health, and the life of the process."""
