"""The full-screen app: shows and manages downloads through `DownloadService`."""
