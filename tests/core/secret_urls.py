"""URLs as services give them: with secrets in them, and ordinary ones that stay as they are."""

# Values of the shapes that secrets have. Each is unlike the others in at least one rule.
SHORT = "c4nary7x"
WORDY = "h4unted-SECRET"
HEX = "9f86d081884c7d659a2feaa0c55ad015"
BASE64 = "q83vEjRWeJq83u8SNFZ4mrze8w"
BASE64_MARKS = "Zm9v-mFyX2Jh_rF1dXi7T9kQ"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r"
UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
UPPER = "JBSWY3DPEHPK3PXPJBSW"
SHAPES = (SHORT, WORDY, HEX, BASE64, BASE64_MARKS, JWT, UUID, UPPER)

_NAMES = """
    token access_token accessToken id_token refresh_token auth authkey authorization api_key
    apikey key sig signature s3sig X-Amz-Signature X-Amz-Security-Token X-Goog-Signature
    AWSAccessKeyId Key-Pair-Id Policy hdnea hdnts hdntl __gda__ hm is ex md5 st verify code pw pin
    otp sid PHPSESSID JSESSIONID ASP.NET_SessionId connect.sid SAMLResponse SAMLRequest RelayState
    csrf _csrf authenticity_token __RequestVerificationToken __VIEWSTATE ticket PlexToken
    X-Plex-Token ApiKey api_token private_token job_token deploy_token PRIVATE-TOKEN se_sig skoid
    skt ske sks tempauth rlkey authuser_key resourcekey confirm pwd passwd password passcode tk ak
    sk hash checksum digest hmac jwt bearer secret client_secret nonce state challenge assertion
    credential cred login_hint magic invite share shareId unlock reset activation recover
    validation captcha g-recaptcha-response license serial wsid upn x-ms-token ver_token
    Fastly-Token verify_sig download_token dltoken nva nvb nvh hw_sig auth_key txSecret wsSecret
    wsABSTime cdn_hash url_sig sas sv_sig tkn tan totp mfa 2fa session session_id sess cookie frob
    qux zz a[token] user[api_key] filter[secret] TOKEN ToKeN to%6ben %74oken token%5B%5D
"""
NAMES = _NAMES.split()
"""Names of parameters that carry a secret somewhere, and three that nobody knows."""

IN_PATHS = (
    "http://api.telegram.example/file/bot123456789:AAF-x9_Zq3LmP0vB7tYw2nKc8RdHs5EuJgI/f.jpg",
    f"http://x.example/d/{JWT}/file.iso",
    f"http://x.example/dl/{BASE64}/file.iso",
    "http://x.example/s/oJ3kLm9PqRsTuVw/download",
    "http://x.example/get/kJ8sLq2mZx9Vb4Nc7Tr1Wp5YhGf3Dd6E/file.iso",
    "http://x.example/d/1xYz9AbCdEfGhIjKlMn0PqRsTuVwXyZa2/view",
    "http://x.example/share/c4nary7x/report.pdf",
    "http://x.example/token/c4nary7x/report.pdf",
    "http://x.example/verify/9f86d081884c7d659a2feaa0c55ad015",
    "http://hooks.example/services/T00000000/B00000000/dK8sLq2mZx9Vb4Nc7Tr1Wp5Y",
    "http://x.example/api/webhooks/123456789012345678/kJ8sLq2m_Zx9Vb4Nc7Tr1Wp5YhGf-3Dd6E0a",
    "http://x.example/a;jsessionid=9F86D081884C7D65/file.iso",
    "http://x.example/hdntl=exp=1700000000~acl=%2f*~hmac=9f86d081884c7d65/file.m3u8",
    "http://x.example/a%2FkJ8sLq2mZx9Vb4Nc7Tr1Wp5YhGf3Dd6E%2Ffile.iso",
    "http://x.example/ghp_kJ8sLq2mZx9Vb4Nc7Tr1Wp5YhGf3Dd6E12ab/repo.tar.gz",
    "http://x.example/%65yJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln/file.iso",
)
"""Tokens in paths; what is left of the URL shows the host and, where it has one, the file."""

ORDINARY = (
    "https://releases.ubuntu.com/24.04/ubuntu-24.04.1-live-server-amd64.iso",
    "https://deb.debian.org/debian/pool/main/s/sqlite3/sqlite3_3.46.1-1_amd64.deb",
    "https://deb.debian.org/debian/pool/main/s/s390-tools/s390-tools_2.35.0-1_s390x.deb",
    "https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.1.tar.xz",
    "https://download.fedoraproject.org/pub/fedora/linux/releases/41/Workstation/x86_64/iso/Fedora-Workstation-Live-x86_64-41-1.4.iso",
    "https://mirror.example.org/archlinux/iso/2024.11.01/archlinux-2024.11.01-x86_64.iso",
    "https://github.com/owner/repo/releases/download/v1.2.3/Some-Tool_1.2.3_Linux_x86_64.tar.gz",
    "https://github.com/owner/repo/archive/refs/tags/v2.0.0-rc.1.zip",
    "https://github.com/torvalds/linux/commit/1da177e4c3f41524e886b7f1b8a0c1fc7321cac2/a.patch",
    "https://raw.githubusercontent.com/owner/repo/1da177e4c3f41524e886b7f1b8a0c1fc7321cac2/README.md",
    "https://github.com/owner/repo/raw/main/data/train.csv?raw=true",
    "https://gitlab.com/group/project/-/archive/main/project-main.tar.gz?ref_type=heads",
    "https://git.example.org/cgit/linux.git/snapshot/linux-6.1.tar.gz",
    "https://repo1.maven.org/maven2/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar",
    "https://files.pythonhosted.org/packages/ab/cd/"
    + "0a1b2c3d4e" * 6
    + "/pip-24.0-py3-none-any.whl",
    "https://files.pythonhosted.org/packages/x/pip-24.0.tar.gz#sha256=" + "0a1b2c3d" * 8,
    "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.26.4-py312heda63a1_0.conda",
    "https://repo.anaconda.com/pkgs/main/linux-64/python-3.12.3-h996f2a0_1.conda#9f86d081884c7d659a2feaa0c55ad015",
    "https://registry.npmjs.org/@types/node/-/node-20.11.5.tgz",
    "https://static.crates.io/crates/serde/serde-1.0.195.crate",
    "https://registry.example.org/v2/library/debian/blobs/sha256:" + "0a1b2c3d" * 8,
    "https://arxiv.org/pdf/2311.12345v2",
    "https://arxiv.org/pdf/hep-th/9901001v3.pdf",
    "https://doi.org/10.1000/182",
    "https://archive.org/download/gutenberg-texts/pg1342-images.epub",
    "https://www.gutenberg.org/ebooks/1342.epub3.images?session=",
    "https://zenodo.org/records/7654321/files/dataset_v2.zip?download=1",
    "https://figshare.com/ndownloader/files/12345678",
    "https://dataverse.example.edu/api/access/datafile/1234567?format=original",
    "https://huggingface.co/org/model-7B/resolve/main/model-00001-of-00003.safetensors?download=true",
    "https://huggingface.co/org/model/resolve/1da177e4c3f41524e886b7f1b8a0c1fc7321cac2/config.json",
    "https://sourceforge.net/projects/sevenzip/files/7-Zip/23.01/7z2301-x64.exe/download",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=42",
    "https://tile.openstreetmap.org/12/2200/1343.png",
    "https://maps.example.org/wms?SERVICE=WMS&REQUEST=GetMap&LAYERS=roads&WIDTH=256&HEIGHT=256&FORMAT=image/png",
    "https://maps.example.org/tile/12,34?bbox=5.9,45.8,10.5,47.8&crs=EPSG:4326",
    "https://example.org/list?page=2&sort=asc&limit=100&offset=200",
    "https://example.org/search?q=annual+report+2023&lang=en-US",
    "https://example.org/search?q=B%C3%BCcher%20%C3%BCber%20Z%C3%BCrich",
    "https://example.org/get.php?file=ubuntu-24.04.3-desktop-amd64.iso",
    "https://example.org/get.php?file=Win10_22H2_English_x64v1.iso&mirror=ch",
    "https://example.org/dl?filename=Jahresbericht%202023%20(final).pdf",
    "https://example.org/viewtopic.php?f=5&t=123456#p987654",
    "https://example.org/img.jpg?w=800&h=600&quality=85&fit=crop",
    "https://example.org/app.js?v=1.2.3",
    "https://example.org/app.js?ver=20240101",
    "https://example.org/data.csv?start=2024-01-01&end=2024-12-31",
    "https://example.org/data?year=2023&month=12&country=CH&type=csv",
    "https://example.org/app.exe?utm_source=newsletter&utm_medium=email&arch=x86_64&os=windows",
    "https://example.org/manual.pdf#page=3",
    "https://github.com/owner/repo#readme",
    "https://docs.example.org/guide.html#getting-started-with-downloads",
    "https://github.com/owner/repo/blob/main/a.py#L10-L20",
    "https://lfs.example.org/objects/3f2504e0-4f89-41d3-9a0c-0305e82c3301/video.mp4",
    "https://cdn.discordapp.example/attachments/123456789012345678/223456789012345678/picture.png",
    "https://ipfs.io/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWWFkzG/readme",
    "https://cache.nixos.org/nar/1bn7jkp9qv5y3q8z0wzcvl2x6r4fskdg5hmi7an1b2c3d4f5g6h7.nar.xz",
    "https://example.org/go?url=https%3A%2F%2Fexample.com%2Ffile.iso",
    "https://example.org/?download",
    "https://example.org/a/date=2024-01-01/region=eu-west-1/part-0000.parquet",
    "https://snapshot.debian.org/archive/debian/20240101T000000Z/pool/main/b/bash/bash_5.2.deb",
    "https://web.archive.org/web/20240101000000/https://example.org/file.pdf",
    "https://example.org/LibreOffice_7.6.4_Linux_x86-64_deb/AndroidStudioProjects/readme",
    "https://example.org/Einf%C3%BChrung%20in%20die%20Physik/Kapitel%2001.pdf",
    "https://example.org/api?filter[name]=report&page[number]=2",
    "https://opendata.example.fr/download/?dataset=velib&format=csv&timezone=Europe/Berlin",
    "https://power.example.gov/daily/point?parameters=T2M,PRECTOT&longitude=7.1&format=CSV",
    "https://ncei.example.gov/v1?dataset=daily-summaries&stations=USW00094728",
    "https://dataverse.example.edu/datafile/:persistentId?persistentId=doi:10.7910/DVN/TJCLKP/KBHLOD",
    "https://api.example.org/query?search_query=all:electron&start=0",
    "https://example.org/search?q=author:smith+license:mit",
    "https://example.org/wiki/Special:Search/Token:x",
    "https://nightly.example.org/20240101/build-1234/app-2024.1.0-SNAPSHOT.jar",
)
