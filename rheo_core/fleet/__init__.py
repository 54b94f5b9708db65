"""Fleet: download millions of URLs with many workers that share an output folder."""
