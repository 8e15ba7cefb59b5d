"""The command line: parses words, calls the use cases of `harvester.app`, prints what they return.

Rule: only this room prints, reads `sys.argv` and ends the process. Each command has a file in `commands/`,
which is imported when the command is named; `output/` turns values into text, tables, JSON and log lines.
Example: `harvester.cli.app.main()` is the `harvester` command.
"""
