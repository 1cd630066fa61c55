"""`python -m livewarp` is the `livewarp` command."""

from livewarp.cli.main import main

if __name__ == "__main__":
    main()
