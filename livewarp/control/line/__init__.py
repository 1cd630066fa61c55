"""The line port: JSON-RPC, one message a line, over TCP and a Unix socket."""
