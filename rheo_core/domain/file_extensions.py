"""File extensions: tell archives, images and other files from web pages.

`downloads/file_naming.py` chooses file names, and `domain/filenames.py` makes them safe.
"""

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
"""Extensions of files that servers may send as text."""

_CODINGS = frozenset({"bz2", "gz", "xz", "z", "zst"})
"""Extensions of compressed files. Apache sends `a.html.gz` as text/html with a Content-Encoding."""

_PAGE_ENDINGS = (["html"], ["htm"], ["xhtml"], ["xht"])


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


def is_never_text(name: str) -> bool:
    """Recognise names of files that servers never send as text, such as `a.zip`."""
    return is_file_name(name) and name.lower().rpartition(".")[2] not in _TEXTS
