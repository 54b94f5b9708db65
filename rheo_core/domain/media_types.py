"""Media types and file names: recognise a web page sent instead of a file."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus, urlsplit

_TYPE = re.compile(
    r"\s*(\"?)([a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127})\1(?:[\s;(]|$)", re.A
)
"""Ends where browsers end it: many servers forget the semicolon before `charset=utf-8`."""
_PAGES = frozenset(
    {"text/html", "application/xhtml+xml", "text/x-html", "application/vnd.wap.xhtml+xml"}
)
_MESSAGES = (
    "text/", "application/json", "application/xml", "application/problem", "application/jsonl",
    "application/x-json", "application/ndjson", "application/x-ndjson", "application/javascript",
    "application/x-javascript", "application/ecmascript", "application/yaml", "application/x-yaml",
)  # fmt: skip
_UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream"})
_BEGINS_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*"
    rb"<(?:!doctype html|html|head|body|script|style|title|iframe|div|h1|!--)(?:[\t\n\f\r >]|$)",
    re.IGNORECASE,
)
"""As browsers recognise a page that has no media type (mimesniff.spec.whatwg.org, 7.1)."""

# Not `mimetypes` of the standard library: it reads files of the system, so that two machines would
# treat the same URL differently, and it lacks .7z, .iso and .flac.
_ARCHIVES = """
    7z ace apk appimage ar arj br bz2 cab conda cpio crate crx deb dmp dwz egg exe flatpak gem
    gz hqx ipa jar lha lrz lz lz4 lzh lzma lzo msi msix nupkg pkg rar rpm run sea sit snap sz
    tar taz tbz tbz2 tgz tlz txz tzst udeb vsix war whl xapk xpi xz z zip zipx zst
"""
_DISK_IMAGES = "dmg hdd img iso mdf nrg ova ovf qcow qcow2 squashfs toast vdi vhd vhdx vmdk wim"
_IMAGES = """
    ai arw avif bmp cr2 cr3 cur dds dng emf eps exr gif heic heif hdr ico icns indd j2k jfif jp2
    jpe jpeg jpg jxl nef orf pcx pgm png pnm ppm psb psd raf raw rw2 svg svgz tga tif tiff webp
    wmf xbm xcf xpm
"""
_AUDIO = """
    aac ac3 aif aifc aiff alac amr ape au caf dsf dts flac m4a m4b m4r mid midi mka mp2 mp3 mpc
    oga ogg opus ra spx tak tta voc wav wma wv
"""
_VIDEO = """
    3g2 3gp asf avi divx f4v flv m2ts m2v m4v mkv mov mp4 mpe mpeg mpg mts mxf ogm ogv qt rm
    rmvb ts vob webm wmv
"""
_DOCUMENTS = """
    azw azw3 cbr cbz chm djvu doc docm docx dot dotx epub fb2 key mobi numbers odf odg odp ods
    odt pages pdf pot potx pps ppsx ppt pptm pptx ps rtf vsd vsdx xls xlsb xlsm xlsx xps
"""
_DATA = """
    arrow avro bam bcf bin bson cdf ckpt csv cram dat dbf db dta fasta fastq feather fit fits
    gguf ggml gpkg gpx grib grib2 h5 hdf hdf5 json jsonl kmz las laz lmdb mat mbtiles mdb ndjson
    nc npy npz onnx orc parquet pb pbf pcap pcapng pickle pkl pt pth pyz rdata rds safetensors
    sav shp sql sqlite sqlite3 tfrecord tflite torrent tsv wasm
"""
_FILES = frozenset(
    " ".join((_ARCHIVES, _DISK_IMAGES, _IMAGES, _AUDIO, _VIDEO, _DOCUMENTS, _DATA)).split()
)
"""Extensions of files that are never web pages."""

_TEXTS = frozenset(
    {
        "csv", "eps", "fasta", "fastq", "json", "jsonl", "ndjson", "ps", "rtf", "svg", "tsv", "xbm",
        "xpm",
    }
)  # fmt: skip
"""Extensions of files that may be served as text."""

_TAILS = frozenset({"", "content", "dl", "download", "file", "get", "raw"})
"""Last segments of paths that follow the name of a file: `/a.zip/download`, `/a.zip/`."""
_WORDS_ONLY = frozenset(
    {
        "continue", "dest", "destination", "domain", "edit", "goto", "host", "keyword", "keywords",
        "link", "next", "page", "preview", "q", "query", "ref", "referer", "referrer", "return",
        "return_to", "returnurl", "s", "search", "site", "source", "subject", "term", "text",
        "title", "to", "u", "uri", "url", "utm_campaign", "utm_content", "utm_medium", "utm_source",
        "utm_term", "view",
    }
)  # fmt: skip
"""Query parameters whose value is a phrase or an address, and not the name of the file."""

_CODINGS = frozenset({"bz2", "gz", "xz", "z", "zst"})
"""Extensions of compressed files. Apache sends `a.html.gz` as text/html with a Content-Encoding."""

_PAGE_ENDINGS = (["html"], ["htm"], ["xhtml"], ["xht"])


def media_type(header: str | None) -> str | None:
    """Return the media type of a Content-Type field, in lower case; None if it has none.

    The last valid one counts, as in browsers (fetch.spec.whatwg.org, "extract a MIME type").
    """
    for part in reversed((header or "").lower().split(",")):
        if match := _TYPE.match(part):
            return match[2]
    return None


def is_page(type: str | None) -> bool:
    """Recognise the media type of a web page."""
    return type in _PAGES


def is_message(type: str | None) -> bool:
    """Recognise the media types of pages, texts and error messages of an API."""
    if type is None:
        return False
    is_structured = type.startswith("application/") and type.endswith(("+json", "+xml"))
    return is_page(type) or type.startswith(_MESSAGES) or is_structured


def is_file_name(name: str) -> bool:
    """Recognise names of files that are not web pages: `a.zip`, `a.tar.gz`, `a.7z.001`.

    These are archives and programs, disk images, images, audio, video, documents and data.
    """
    extensions = name.strip(" .").lower().split(".")[1:]
    while extensions and extensions[-1].isdigit():
        extensions.pop()  # the number of a volume
    if not extensions or (extensions[-1] in _CODINGS and extensions[-2:-1] in _PAGE_ENDINGS):
        return False
    return extensions[-1] in _FILES


def is_page_name(name: str) -> bool:
    """Recognise names of web pages, such as `a.html`."""
    _, *extensions = name.strip(" .").lower().split(".")
    return extensions[-1:] in _PAGE_ENDINGS


def names_in_url(url: str) -> Iterator[str]:
    """Yield what may be the name of the file in a URL, decoded; the last segment of its path first.

    The others are the segment before tails such as `/download`, and values of the query
    (`get.php?file=a.zip`). Pages that show a file (`viewer.html?file=a.pdf`) have a name of their
    own, and parameters such as `q` and `url` hold what a page is about.
    """
    parts = urlsplit(url)
    segments = _segments(unquote(parts.path, errors="replace"))
    last = segments[-1]
    yield last
    while len(segments) > 1 and segments[-1].lower() in _TAILS:
        segments.pop()
    if segments[-1] not in {"", last}:
        yield segments[-1]
    if is_page_name(last):
        return
    for parameter in filter(None, parts.query.split("&")):
        name, equals, value = parameter.partition("=")
        value = unquote_plus(value if equals else name)
        if not (equals and name.lower() in _WORDS_ONLY) and "://" not in value:
            yield _segments(value)[-1]


def _segments(path: str) -> list[str]:
    return [segment.partition(";")[0] for segment in path.replace("\\", "/").split("/")]


def begins_page(data: bytes) -> bool:
    """Recognise the first bytes of a web page."""
    return _BEGINS_PAGE.match(data) is not None


def _is_other_kind(came: str | None, recorded: str | None) -> bool:
    """Return True if a file of type `recorded` cannot have changed to type `came`."""
    kind, before = _kind(came), _kind(recorded)
    if kind == "text":
        return before != "text"
    return kind != "data" and kind != before and recorded not in _UNTOLD


def _kind(type: str | None) -> str:
    if is_message(type):
        return "text"
    top = (type or "").partition("/")[0]
    return {"image": "image", "audio": "media", "video": "media"}.get(top, "data")


def _is_no_text(name: str) -> bool:
    return is_file_name(name) and name.lower().rpartition(".")[2] not in _TEXTS


def is_page_instead(
    came: str | None, recorded: str | None, names: Iterable[str], *, bytes_are_there: bool
) -> bool:
    """Decide if a reply is a page, such as a sign-in form, instead of the file.

    Args:
        came: media type of the reply.
        recorded: media type of the file, from an earlier reply or from the user.
        names: names of the file as requested; the first counts most.
        bytes_are_there: a partial file would be replaced. Then every text is refused if the file
            is not a text, because APIs report expired tokens as JSON. So are images and videos
            instead of other data, because hosts send one if the referer is another site.
    """
    if not (bytes_are_there or is_page(came)):
        return False
    if recorded is None:
        first, *others = names
        if is_page_name(first):  # `--filename a.html` counts more than the URL
            return False
        if bytes_are_there and is_message(came) and any(map(_is_no_text, (first, *others))):
            return True
        return is_page(came) and (bytes_are_there or any(map(is_file_name, (first, *others))))
    if bytes_are_there and _is_other_kind(came, recorded):
        return True
    return is_page(came) and not is_page(recorded)
