"""The panel: pages, streams of frames and events over HTTP."""
