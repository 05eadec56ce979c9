"""`--json` of the commands that show something."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print what the server answers, as JSON.")
