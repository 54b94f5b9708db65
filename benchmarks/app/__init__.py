"""What the app costs over the engine, and how soon it answers a key: `python -m benchmarks.app`."""
