"""The full-screen app, which shows and controls downloads through `DownloadService`."""
