"""Fleet: a list of many URLs, downloaded by many workers that share an output folder."""
