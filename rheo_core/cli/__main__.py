"""Where the `rheo` command begins."""

import gc
import os
import signal


def main() -> None:
    """Run the command; until it has begun to download, Ctrl-C ends it without a word."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # there is nothing to save yet
    gc.disable()  # imports make no garbage, and to look for it costs a tenth of the start
    from .main import app

    app()


if __name__ == "__main__":
    main()
