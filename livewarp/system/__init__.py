"""The operating system: devices, processes, systemd, files."""
