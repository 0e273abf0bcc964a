"""`python -m lodesmith`."""

from lodesmith.cli.main import main

if __name__ == "__main__":
    main()
