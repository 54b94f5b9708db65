"""The full-screen app: shows and steers downloads through `DownloadService`."""
