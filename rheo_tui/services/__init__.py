"""Services: the interface between the app and an engine, and its implementations."""
