"""`python -m harvester` and the `harvester` command."""

from harvester.cli.app import main

if __name__ == "__main__":
    main()
