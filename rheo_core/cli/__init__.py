"""The `rheo` command."""
