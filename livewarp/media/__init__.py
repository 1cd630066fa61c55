"""Video files through PyAV: reading, writing, their colours and time stamps. The only place that imports `av`."""
