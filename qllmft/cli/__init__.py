"""The command line: typer for arguments, rich for what a person sees."""
