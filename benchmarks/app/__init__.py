"""Cost of the app over the engine, and its response time to a key: `python -m benchmarks.app`."""
