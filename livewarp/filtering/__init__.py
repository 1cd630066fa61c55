"""What one frame goes through between tracking and the sinks, live and offline."""
