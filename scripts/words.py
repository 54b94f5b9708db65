"""Find words that this project does not use: `python -m scripts.words` lists them."""

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("rheo_core", "rheo_tui")
OPENING = re.compile(r"(?:What|Where|Whether|Who|How|Whatever|However|It|That|Tell whether)\b")
"""Docstrings begin with a verb in the imperative, or with a noun."""
BANNED = re.compile(
    r"\b(?:is|are|was|were|be|been) told\b"
    r"|\btold (?:of|by|once|in|with)\b"
    r"|\bso many\b|\bas many\b(?! (?:\w+ ){0,2}as\b)"
    r"|\b(?:whoever|whatever is|thereby|by now)\b"
    r"|\b(?<!there )(?:is|are) no (?!longer\b|more\b|way\b)[a-z]+"
    r"|, for (?:he|it|its|nobody|none|only|otherwise|some|that is|there|they|this|who)\b",
    re.IGNORECASE,
)


class Finding(NamedTuple):
    """A place with words that are not used."""

    path: Path  # relative to the project
    line: int
    words: str


def findings() -> Iterator[Finding]:
    """Yield what is found in documents, docstrings, comments and texts of the program.

    In tests and benchmarks, texts are data and are not checked.
    """
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]):
        for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
            yield from _banned(page, number, line)
    for package in PACKAGES:
        for module in _modules(package):
            yield from _in_module(module, _TEXTS)
    for folder in ("benchmarks", "tests"):
        for module in _modules(folder):
            yield from _in_module(module, ())


def _modules(folder: str) -> list[Path]:
    """Return the modules of a folder, without hidden ones: `benchmarks/.peers` holds packages."""
    return sorted(
        module
        for module in (ROOT / folder).rglob("*.py")
        if not any(part.startswith(".") for part in module.relative_to(ROOT).parts)
    )


_TEXTS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
"""Types of tokens; since Python 3.12 an f-string has its own."""


def _in_module(module: Path, texts: Collection[int]) -> Iterator[Finding]:
    """Yield what is found in docstrings, comments and tokens of the types `texts`."""
    source = module.read_text("utf-8")
    docstrings = dict(pair for node in ast.walk(ast.parse(source)) for pair in _docstrings(node))
    # To find the tokens of a module takes far longer than to search it.
    lines = io.StringIO(source if BANNED.search(source) else "")
    for token in tokenize.generate_tokens(lines.readline):
        start = token.start[0]
        is_docstring = token.type == tokenize.STRING and start in docstrings
        if is_docstring or token.type == tokenize.COMMENT or token.type in texts:
            for number, line in enumerate(token.string.splitlines(), start):
                yield from _banned(module, number, line)
    for number, text in docstrings.items():
        if OPENING.match(text):
            yield Finding(module.relative_to(ROOT), number, text.partition("\n")[0])


def _docstrings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield lines and texts that stand alone in a body: docstrings, also those of values."""
    body = getattr(node, "body", None)
    for statement in body if isinstance(body, list) else ():
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.lineno, value.value.strip()


def _banned(path: Path, number: int, line: str) -> Iterator[Finding]:
    for match in BANNED.finditer(line):
        yield Finding(path.relative_to(ROOT), number, match[0])


if __name__ == "__main__":
    for each in findings():
        print(f"{each.path}:{each.line}: {each.words}")
