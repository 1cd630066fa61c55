"""The live loop and its helpers: what runs in native threads while the daemon runs."""
