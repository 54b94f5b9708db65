"""Generated parts of Markdown pages, each between `<!-- NAME -->` and `<!-- /NAME -->`."""

import re


def replace_part(page: str, name: str, content: str) -> str:
    """Return `page` with `content` between the marks of `name`.

    Raises:
        ValueError: the page does not have these marks exactly once.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise ValueError(f"the page does not have {start.strip()} and its end exactly once")
    return re.sub(
        f"({re.escape(start)}).*?({re.escape(end)})",
        lambda found: f"{found[1]}{content}\n{found[2]}",
        page,
        flags=re.DOTALL,
    )
