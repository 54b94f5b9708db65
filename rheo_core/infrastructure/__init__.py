"""What the engine stands on: HTTP, disk threads, files."""
