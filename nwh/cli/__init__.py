"""The command line: every command is parse, one library call, output."""

from nwh.cli.app import app, main

__all__ = ["app", "main"]
