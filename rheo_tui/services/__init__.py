"""Services: what the app asks of an engine, and the engines that answer."""
