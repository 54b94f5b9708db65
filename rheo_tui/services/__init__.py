"""Services: the interface between the app and the engine, and its implementations."""
