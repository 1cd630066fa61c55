"""The client commands: they talk to a running daemon and import nothing heavy."""
