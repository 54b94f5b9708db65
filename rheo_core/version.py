"""Version of this library, which its requests name."""

__version__ = "0.1.0"
