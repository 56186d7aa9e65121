"""`python -m feeder`: the same as `feeder`."""

from feeder.cli import main

if __name__ == "__main__":
    main()
