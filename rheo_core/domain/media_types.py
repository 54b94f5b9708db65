"""Media types and file names: recognise a web page sent instead of a file."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

_TYPE = re.compile(r"\s*([a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127})(?:[\s;,(]|$)", re.A)
"""It ends where browsers end it: many servers forget the semicolon before `charset=utf-8`."""
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_MESSAGES = ("text/", "application/json", "application/xml", "application/problem")

# Why not `mimetypes` of the standard library: it reads files of the system, so two machines would
# judge the same link differently, and it does not know .7z, .iso and .flac.
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
    sav shp sql sqlite sqlite3 tfrecord tflite torrent tsv wasm whl
"""
_FILES = frozenset(
    " ".join((_ARCHIVES, _DISK_IMAGES, _IMAGES, _AUDIO, _VIDEO, _DOCUMENTS, _DATA)).split()
)
"""Extensions of files that are never web pages."""

_CODINGS = frozenset({"bz2", "gz", "xz", "z", "zst"})
"""Extensions of compressed files. Apache sends `a.html.gz` as text/html with a Content-Encoding."""

_PAGE_ENDINGS = (["html"], ["htm"], ["xhtml"], ["xht"])


def media_type(header: str | None) -> str | None:
    """Return the media type of a Content-Type field, in lower case; None if it has none.

    The first counts if there are several.
    """
    match = _TYPE.match((header or "").lower())
    return match[1] if match else None


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


def name_in_path(url: str) -> str:
    """Return the last segment of a URL's path, decoded; "" if the path ends with a slash."""
    path = unquote(urlsplit(url).path, errors="replace").replace("\\", "/")
    return path.rpartition("/")[2].partition(";")[0]


def is_page_instead(
    came: str | None, recorded: str | None, names: Iterable[str], *, bytes_are_there: bool
) -> bool:
    """Decide if a reply is a page, such as a sign-in form, instead of the file.

    Args:
        came: media type of the reply.
        recorded: media type of the file, from an earlier reply or from the user.
        names: names of the file as requested; the first counts most.
        bytes_are_there: a partial file would be replaced. Then every text is refused if the file
            is not a text: an API reports an expired token as JSON.
    """
    if recorded is None:
        first, *others = names
        if is_page_name(first):  # `--filename a.html` counts more than the URL
            return False
        return is_page(came) and (bytes_are_there or any(map(is_file_name, (first, *others))))
    if bytes_are_there and is_message(came) and not is_message(recorded):
        return True
    return is_page(came) and not is_page(recorded)
