"""Texts as users have them, and what they ask for."""

from io import StringIO
from typing import Any

from rheo_core.inputs import Entry, ReadOptions, Verdict, read_entries

PAGE_ADDRESS = "https://example.org/pub/isos/"
SHA1 = "a9993e364706816aba3e25717850c26c9cd0d89d"
SHA256 = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
OTHER = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"

CHROME_BASH = r"""curl 'https://cdn.example.org/get/file.iso?sig=a%2Fb&x=1' \
  -H 'accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' \
  -H 'accept-language: en-US,en;q=0.9' \
  -H $'x-note: it\'s \u0021 here' \
  -b 'sid=s3cret; theme=dark' \
  -H 'priority: u=0, i' \
  -H 'sec-ch-ua: "Chromium";v="131", "Not_A Brand";v="24"' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64)' \
  --compressed"""

CHROME_CMD = """curl ^"https://cdn.example.org/get/file.iso?sig=a^%^2Fb^&x=1^" ^
  -H ^"accept: */*^" ^
  -b ^"sid=s3cret; theme=dark^" ^
  -H ^"sec-ch-ua: ^\\^"Chromium^\\^";v=^\\^"131^\\^"^" ^
  --compressed"""

FIREFOX_BASH = (
    "curl 'https://cdn.example.org/get/file.iso' --compressed "
    "-H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0' "
    "-H 'Accept-Encoding: gzip, deflate, br, zstd' -H 'DNT: 1' -H 'Connection: keep-alive' "
    "-H 'Cookie: sid=s3cret' -H 'Sec-GPC: 1'"
)

FIREFOX_CMD = (
    'curl "https://cdn.example.org/get/file.iso" --compressed -H "User-Agent: Mozilla/5.0" '
    '-H "X-Quoted: say \\"hello\\" \\\\" -H "Cookie: sid=s3cret"'
)

SAFARI = """curl 'https://cdn.example.org/get/file.iso' \\
-X 'GET' \\
-H 'Accept: */*' \\
-H 'Cookie: sid=s3cret' \\
-H 'Range: bytes=0-' \\
-H 'User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17.6 Safari/605.1.15'"""

METALINK_4 = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <generator>MirrorBrain/2.19.0</generator>
  <origin dynamic="true">http://download.example.org/distribution/x.iso.meta4</origin>
  <published>2025-01-05T12:00:00Z</published>
  <file name="leap-x86_64.iso">
    <size>4702863360</size>
    <hash type="md5">900150983cd24fb0d6963f7d28e17f72</hash>
    <hash type="sha-1">a9993e364706816aba3e25717850c26c9cd0d89d</hash>
    <hash type="sha-256">{SHA256}</hash>
    <pieces length="4294967296" type="sha-1">
      <hash>{SHA1}</hash><hash>{SHA1[::-1]}</hash>
    </pieces>
    <url location="de" priority="2">http://ftp.de.example.org/leap-x86_64.iso</url>
    <url location="cz" priority="1">https://mirror.cz.example.org/leap-x86_64.iso</url>
    <url location="us">http://us.example.org/leap-x86_64.iso</url>
    <url location="fr" priority="3">ftp://ftp.fr.example.org/leap-x86_64.iso</url>
    <metaurl mediatype="torrent">http://download.example.org/leap.torrent</metaurl>
  </file>
</metalink>
"""

METALINK_3 = f"""\
<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic"
 generator="mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp xmlns:mm0="http://fedorahosted.org/mirrormanager">1735000000</mm0:timestamp>
   <size>5285</size>
   <verification>
    <hash type="md5">900150983cd24fb0d6963f7d28e17f72</hash>
    <hash type="sha256">{SHA256}</hash>
    <pieces length="262144" type="sha1"><hash piece="0">{SHA1}</hash></pieces>
   </verification>
   <resources maxconnections="1">
    <url protocol="rsync" type="rsync" location="DE" preference="100">rsync://de/repomd.xml</url>
    <url protocol="http" type="http" location="SE" preference="98">http://se/repomd.xml</url>
    <url protocol="https" type="https" location="DE" preference="100">https://de/repomd.xml</url>
   </resources>
  </file>
 </files>
</metalink>
"""

APACHE_PAGE = """\
<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html>
 <head><title>Index of /pub/isos</title></head>
 <body><h1>Index of /pub/isos</h1>
<table>
<tr><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td><a href="/pub/">Parent Directory</a></td></tr>
<tr><td><a href="a%20one.iso">a one.iso</a></td></tr>
<tr><td><A HREF='b.ISO?x=1&amp;y=2#top'>b.iso</A> <a href="b.ISO?x=1&amp;y=2">again</a></td></tr>
<tr><td><a href="SHA256SUMS">SHA256SUMS</a> <a href="mailto:me@example.org">me</a></td></tr>
</table><img src="logo.png"></body></html>
"""

ARIA2_LIST = f"""\
# made by a script
http://a.example.org/one.iso\thttps://b.example.org/one.iso\t
  out=isos/one.iso
  dir=linux
  checksum=sha-256={SHA256}
  header=Cookie: sid=s3cret
  header=Accept-Encoding: gzip
  user-agent=Wget/1.21
  split=5
  max-connection-per-server=4

http://a.example.org/two.iso
"""

CHECKSUMS = f"""\
# Fedora-x.iso: 2295853056 bytes
SHA256 (Fedora-x.iso) = {SHA256}
{OTHER}  ./images/boot.iso
{OTHER.upper()} *tools.zip
"""

SIGNED_CHECKSUMS = f"""\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

{SHA256}  one.iso
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCgAdFiEEhGOPJ8sSRhZ0nVVmFrDkaEGi1LgFAmYmZcQACgkQFrDkaEGi
=Yv8C
-----END PGP SIGNATURE-----
https://example.org/after.iso
"""

PROSE = """\
Hi, the files are at https://example.org/a.iso, and
(https://example.org/dir/b_(2).iso).
No link here. <https://example.org/c.iso> [d](https://example.org/d.iso)
https://example.org/e.iso is the last; x,https://example.org/f,https://example.org/g
"""

ALL = (
    CHROME_BASH, CHROME_CMD, FIREFOX_BASH, FIREFOX_CMD, SAFARI, METALINK_4, METALINK_3,
    APACHE_PAGE, ARIA2_LIST, CHECKSUMS, SIGNED_CHECKSUMS, PROSE,
)  # fmt: skip


def read(text: str, **options: Any) -> list[Entry]:
    return list(read_entries(StringIO(text, newline=None), (), ReadOptions(**options)))


def asked(text: str, **options: Any) -> list[dict[str, Any]]:
    """Return the options that each entry sets; all entries must be valid."""
    entries = read(text, **options)
    assert [entry.problem for entry in entries if entry.verdict is not Verdict.OK] == []
    return [
        entry.config.model_dump(mode="json", exclude_defaults=True, exclude={"id"})
        for entry in entries
        if entry.config
    ]


def urls(text: str, **options: Any) -> list[str]:
    return [fields["url"] for fields in asked(text, **options)]


def problems(text: str, **options: Any) -> list[tuple[int, str]]:
    return [(entry.line, entry.problem) for entry in read(text, **options) if entry.problem]
