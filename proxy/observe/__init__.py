"""What can be seen of the daemon: its log, and the one line about each request."""
