"""The command line: thin, lazy, one module a group of commands."""
