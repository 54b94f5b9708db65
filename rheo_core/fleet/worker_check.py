"""Check a worker process before its first shard."""


def worker_problem() -> str:
    """Return a sentence about why this process is unusable; "" if it is usable.

    Otherwise its shards would fail one after another, and each several times. The check includes
    all imports of a shard, so that the first shards begin at once.
    """
    from rheo_core.config import load_settings
    from rheo_core.engine import make_request_rules, with_faults

    from . import shard  # noqa: F401
    from .manifest import check_installed

    try:
        check_installed()
    except ValueError as error:
        return f"{error}."
    from pyarrow import parquet  # noqa: F401

    rules = with_faults(make_request_rules(load_settings().settings))
    return " ".join(rules.refusals_of_all())
