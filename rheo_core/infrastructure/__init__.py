"""Infrastructure of the engine: HTTP, disk threads, files, locks, sessions."""
