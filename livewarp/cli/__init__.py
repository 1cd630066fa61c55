"""The command line: `main` has the group and `run`; each family of commands has a module; `client` the quick ones."""
