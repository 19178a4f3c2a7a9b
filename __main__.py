"""`python -m drawbar` is `drawbar`."""

from .cli import main

if __name__ == "__main__":
    main()
