"""``python -m fasterapi``."""

from fasterapi._cli import main

if __name__ == "__main__":
    main()
