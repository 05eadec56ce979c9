"""The `tagline` command. Subcommands are imported when they are called, so that each starts quickly."""

from __future__ import annotations

import io
import sys
from importlib import import_module

import click

INTERRUPTED = 130  # exit code
# name: (module, attribute), in the order of the help text
COMMANDS = {
    "up": ("cli.stack.up", "up"),
    "reload": ("cli.reload", "reload"),
    "doctor": ("cli.doctor", "doctor"),
    "submit": ("cli.client.submit", "submit"),
    "status": ("cli.client.job_commands", "status"),
    "results": ("cli.client.results", "results"),
    "cancel": ("cli.client.job_commands", "cancel"),
    "library": ("cli.client.library_commands", "library"),
    "demo": ("cli.demo.run", "demo"),
    "keys": ("cli.keys", "keys"),
    "migrate": ("cli.serve", "migrate"),
    "api": ("cli.serve", "api"),
    "worker": ("cli.serve", "worker"),
    "scheduler": ("cli.serve", "scheduler"),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports them on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; if it is interrupted, exit with the code that shells expect."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tagline")
def main() -> None:
    """Labels and captions for photos and short texts, in bulk.

    `tagline up` runs the service on this machine; `tagline submit` gives it work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name that the terminal cannot show ends no command


if __name__ == "__main__":
    main()
