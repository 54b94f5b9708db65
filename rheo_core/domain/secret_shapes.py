"""Detect secrets by their names and shapes.

Services invent names for their tokens faster than a list can follow. So a text is treated
as a secret unless it is known to be harmless: an ordinary word, number, version or file name, or
the value of a parameter whose name is listed here.
"""

import re
from urllib.parse import unquote

from .hash_algorithms import HashAlgorithm

_MAX_DECODINGS = 3
_MAX_SHOWN_VALUE = 200
_MIN_RANDOM = 16
"""Characters. 16 hexadecimal ones are 64 bits, the shortest keys in use."""
_MIN_RANDOM_SEGMENT = 20
_MIN_SHARED = 12
"""Length of a share link's token after a name that announces it (Nextcloud and Dropbox: 15)."""
_MAX_WORD = 12
_MAX_DIGITS = 20
"""Length of a 64-bit number, which services use as file id."""
_LONG_NAME = 24
_WORDLIKE_LENGTH = 3.2
_LONG_WORDLIKE_LENGTH = 4.2
"""Mean length of words: 4 and more in names, 2 to 2.7 in base64 and base36, 3.4 in base32."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HARMLESS_NAMES = _words("""
    accession alt arch architecture article artifact artist attachment author basename bbox branch
    browser campaign category channel charset classifier codec collection color colour commit
    component content country crs dataset date dir directory disposition dist distribution distro
    doc document doi edition encoding ext extension family field fields file filename files filter
    folder format generation genre group hl id ids image include isbn item items keyword keywords
    label lang language layer layers locale media medium mime model module name namespace order
    orderby os output package parameter parameters patch path period persistent pkg platform
    playlist plugin prefix product project protocol publisher python q quality query range region
    release repo repository request res resolution response rev revision search section series
    service set site sort source srs station stations style styles subject suffix symbol table tag
    tags target template term terms theme timezone title topic type types tz unit units utm v
    variable variant ver version video view
""")
"""Words in names of parameters whose values are shown even if they are not plain words."""
_COMMIT_NAMES = _words("commit rev revision")
_DIGEST_LENGTHS = {algorithm.value: algorithm.hex_length for algorithm in HashAlgorithm}
_SECRET_NAME = re.compile(
    r"access|activat|assertion|auth|bearer|captcha|challenge|code|confirm|cookie|credential|csrf"
    r"|digest|gda|grant|hash|hdn|hmac|invit|jwt|key|licen[cs]e|login|magic|nonce|openid|otp"
    r"|passcode|passphrase|passw|policy|privat|proof|pwd|recover|refresh|relay|reset|salt|saml"
    r"|secret|secure|seed|serial|sess|share|sig|ticket|token|unlock|verif|viewstate|voucher|xsrf"
)
_SECRET_WORDS = _words("""
    2fa ak at chk checksum cred creds hm hs jsid mac md5 mfa pass pat pin pk psk puk pw rt sas
    sha sha1 sha256 sid sk sso st tan tfa tk tkn
""")
"""Names of secrets that count only as whole words."""
SECRET_PLACES = _words("""
    access activate apikey auth confirm invite jwt key keys magic otp pass password pin private
    reset secret secrets session share shared shares sid sig signature token tokens unsubscribe
    verify
""")
"""Segments of a path before a secret."""
SHARING_PLACES = _words("d dl g l r s sh t u")
"""Segments before the name of a share, which is a secret if it is random."""

_NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_A-Za-z0-9]+")
_LETTERS_AND_DIGITS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RUN = re.compile(r"[A-Za-z0-9]+")
_LINKED_RUN = re.compile(r"[A-Za-z0-9_+-]+")
_BASE64_SYMBOL = re.compile(r"[_+-]")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CONTENT_ID = re.compile(r"Qm[1-9A-HJ-NP-Za-km-z]{44}|baf[a-z2-7]{56}")
"""Ids of content in IPFS, which are hashes."""
_HAS_EXTENSION = re.compile(r"[^.].*\.[A-Za-z][A-Za-z0-9]{0,7}")
_MANY_CONSONANTS = re.compile(r"(?i)[^aeiouy]{5}")
_VOWEL = re.compile(r"(?i)[aeiouy]")
_PLAIN = re.compile(
    r"-?[0-9]{1,8}(?:\.[0-9]{1,8})?"
    r"|[A-Za-z0-9]{1,4}"
    rf"|[A-Za-z][a-z]{{1,{_MAX_WORD - 1}}}"
    r"|[a-z]{2}[-_][A-Za-z]{2}"  # a language
    r"|v?[0-9]{1,4}(?:\.[0-9]{1,6}){1,4}(?:[-+.]?(?:alpha|beta|rc|dev|post|[ab])\.?[0-9]{0,3})?"
    r"|[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:T[0-9:]{5,8}Z?)?)?"
    r"|[0-9]{8}T[0-9]{6}Z"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
    r"|1[0-9]{9}(?:[0-9]{3})?"  # a time in seconds or milliseconds
)
_NUMBERED = re.compile(r"[A-Za-z][0-9]{1,8}|[A-Za-z]?[a-z]{1,11}[0-9]{1,2}")  # L10, python3
_BETWEEN_WORDS = re.compile(r"[-_./ ,:+]")
_FILE_TYPES = _words("""
    7z aac apk avi bin bz2 cfg conf css csv deb dmg doc docx epub exe flac gif gz htm html img
    ini iso jar jpeg jpg js json log m3u8 m4a md mkv mov mp3 mp4 mpd msi ods odt ogg opus parquet
    pdf php png ppt pptx py rar rpm rst sh svg tar tgz tif tiff toml ts ttf txt wasm wav webm
    webp whl wmv woff2 xls xlsx xml xz yaml yml zip zst
""")
_FILE = re.compile(
    rf"[A-Za-z0-9][A-Za-z0-9._ +()-]*\.(?:{'|'.join(sorted(_FILE_TYPES))})", re.IGNORECASE
)
UNMISTAKABLE = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"  # JSON in base64: JWT, JWE
    r"|(?:bot)?[0-9]{6,20}:[\w-]{30,}"  # Telegram
    r"|gh[a-z]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
    r"|hf_[A-Za-z0-9]{30,}|sk-[\w-]{20,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|pypi-[\w-]{40,}"
    r"|npm_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|ASIA[A-Z0-9]{16}|s![\w-]{16,}"
    r")",
    re.ASCII,
)
"""Tokens that are recognised in any text."""


def decoded(text: str) -> str | None:
    """Return `text` with its percent-encoding undone; None if it was encoded too many times."""
    for _ in range(_MAX_DECODINGS):
        if "%" not in text:
            return text
        before, text = text, unquote(text, errors="replace")
        if text == before:
            return text
    return None if unquote(text, errors="replace") != text else text


def is_harmless(name: str, value: str) -> bool:
    """Return True if the parameter `name=value`, both decoded, may be shown."""
    words = [word.lower() for word in _NAME_WORD.findall(name)]
    if value in {"", "***"}:
        return not is_random(name)
    if _are_harmless(words):
        if words[-1] in _COMMIT_NAMES and _is_digest(value, 40, 64):
            return True
        return not (is_random(value) or UNMISTAKABLE.search(value) or len(value) > _MAX_SHOWN_VALUE)
    return not (sounds_secret(name) or is_random(name)) and is_plain(value)


def _are_harmless(words: list[str]) -> bool:
    return bool(words) and all(word in _HARMLESS_NAMES or word.isdigit() for word in words)


def is_harmless_anchor(name: str, value: str) -> bool:
    """Return True if `name=value` may be shown in a fragment, which may contain a checksum."""
    return _is_digest(value, _DIGEST_LENGTHS.get(name.lower(), 0)) or is_harmless(name, value)


def sounds_secret(name: str) -> bool:
    """Return True if a parameter of this name is likely to contain a secret."""
    letters = "".join(filter(str.isalnum, name.lower()))
    if _SECRET_NAME.search(letters) or letters in _SECRET_WORDS:
        return True
    return any(word.lower() in _SECRET_WORDS for word in _NAME_WORD.findall(name))


def is_labelled_secret(text: str, separator: str) -> bool:
    """Return True if `text` is a name, `separator` and a secret, as in `token:c4nary7x`."""
    name, has_name, value = text.partition(separator)
    if not has_name or value.startswith(("/", "~")) or not sounds_secret(name):
        return False
    if _are_harmless([word.lower() for word in _NAME_WORD.findall(name)]):
        return False
    return not (is_plain(value) or _is_digest(value, *_DIGEST_LENGTHS.values()))


def is_plain(text: str) -> bool:
    """Return True if `text` is a number, a word, a date, a version or a file name."""
    if _PLAIN.fullmatch(text):
        return len(text) <= 4 or not text.isalpha() or _is_wordlike(text)
    if len(text) > _MAX_SHOWN_VALUE or not _FILE.fullmatch(text):
        return False
    return not (is_random(text) or UNMISTAKABLE.search(text))


def is_plain_phrase(text: str) -> bool:
    """Return True if `text` consists of plain words, like the name of a section."""
    return len(text) <= _MAX_SHOWN_VALUE and all(
        not part or is_plain(part) or _NUMBERED.fullmatch(part)
        for part in _BETWEEN_WORDS.split(text)
    )


def is_random(text: str) -> bool:
    """Return True if a part of `text` looks random, like a key or a UUID."""
    if len(text) < _MIN_RANDOM:
        return False
    return bool(_UUID.search(text)) or any(
        _is_random_run(run, _LONG_WORDLIKE_LENGTH)
        or (len(run) >= 2 * _MIN_RANDOM and not run.islower())
        for run in _runs(text)
        if len(run) >= _MIN_RANDOM
    )


def is_token(segment: str, place: str, is_last: bool) -> bool:
    """Return True if a decoded segment of a path is a token that grants access.

    Hexadecimal hashes in one case and UUIDs identify content and are not tokens.

    Args:
        segment: the text between two slashes.
        place: the segment before it.
        is_last: the segment names the file. With an extension, it is then not a token.
    """
    if UNMISTAKABLE.search(segment):
        return True
    if _HAS_EXTENSION.fullmatch(segment) and (is_last or len(segment) < _MIN_RANDOM_SEGMENT):
        return False
    place = place.lower()
    if place in SECRET_PLACES and not is_plain_phrase(segment):
        return True
    shortest = _MIN_SHARED if place in SHARING_PLACES else _MIN_RANDOM_SEGMENT
    if len(segment) < shortest or _CONTENT_ID.fullmatch(segment):
        return False
    return any(
        _is_random_run(run, _WORDLIKE_LENGTH if len(run) < _LONG_NAME else _LONG_WORDLIKE_LENGTH)
        for run in _runs(_UUID.sub("", segment))
        if len(run) >= shortest and (shortest == _MIN_SHARED or not _HEX.fullmatch(run))
    )


def _runs(text: str) -> list[str]:
    """Return the runs that may be tokens: letters, digits and the symbols of base64."""
    runs = _RUN.findall(text)
    for linked in _LINKED_RUN.findall(text):
        symbols = len(_BASE64_SYMBOL.findall(linked))
        if 0 < symbols < len(linked) / 8:
            runs.append(_BASE64_SYMBOL.sub("", linked))
    return runs


def _is_random_run(run: str, wordlike: float) -> bool:
    """Return True if letters and digits are mixed as they never are in words and names."""
    if run.isdigit():
        return len(run) > _MAX_DIGITS
    parts = _LETTERS_AND_DIGITS.findall(run)
    if len(parts) == 1:
        return len(run) >= 2 * _MIN_RANDOM
    if _HEX.fullmatch(run) or len(run) / len(parts) < wordlike:
        return True
    if len(run) >= 2 * _MIN_RANDOM and sum(map(str.isdigit, parts)) > 1:
        return True
    return not all(part.isdigit() or _is_wordlike(part) for part in parts)


def _is_wordlike(letters: str) -> bool:
    if _MANY_CONSONANTS.search(letters):
        return False
    return len(letters) <= 4 or _VOWEL.search(letters) is not None


def _is_digest(value: str, *lengths: int) -> bool:
    return len(value) in lengths and _HEX.fullmatch(value) is not None
