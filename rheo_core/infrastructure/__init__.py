"""Infrastructure: HTTP, disk threads, files, locks and session files."""
