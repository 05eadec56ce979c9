"""HTML frame and style sheet of /docs."""

from __future__ import annotations

from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2563eb }
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.55 system-ui, sans-serif; display: grid; grid-template-columns: 21rem minmax(0, 1fr) }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1.2rem; border-right: 1px solid var(--line) }
nav a { display: block; padding: .15rem 0; font-size: 13px; color: inherit; text-decoration: none; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap }
nav a:hover { color: var(--accent) }
nav h2 { font-size: 12px; text-transform: uppercase; letter-spacing: .06em; opacity: .65; margin: 1.2rem 0 .3rem }
main { padding: 1.5rem 2.5rem 6rem; max-width: 62rem }
main > h2 { text-transform: capitalize; margin-top: 2.5rem }
article { border: 1px solid var(--line); border-radius: 8px; padding: .4rem 1.2rem 1rem; margin: 1rem 0 }
h3 { font-size: 1.05rem; margin: .8rem 0 .2rem; overflow-wrap: anywhere }
h4 { margin: 1rem 0 .3rem; font-size: 13px; opacity: .7 }
.summary { font-weight: 600; margin: .2rem 0 } .note, small { opacity: .7 }
b.get, b.post, b.delete { font: 700 11px ui-monospace, monospace; padding: .15em .5em; border-radius: 4px;
  color: #fff }
b.get { background: #2563eb } b.post { background: #15803d } b.delete { background: #b91c1c }
table { border-collapse: collapse; width: 100%; font-size: 14px }
td { border-top: 1px solid var(--line); padding: .35rem .8rem .35rem 0; vertical-align: top; overflow-wrap: anywhere }
td:first-child { width: 13rem }
i { white-space: nowrap }
code { font: 13px ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: 4px }
pre { background: var(--soft); padding: 1rem; border-radius: 8px; overflow: auto;
  font: 12px/1.5 ui-monospace, monospace }
a { color: var(--accent) } details { margin: .4rem 0 } summary { cursor: pointer }
@media (max-width: 800px) { body { display: block } nav { position: static; height: auto } main { padding: 1rem } }
"""

# A template for str.format: the style's own braces are doubled.
PAGE: Final = (
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} API</title><style>"""
    + _STYLE.replace("{", "{{").replace("}", "}}")
    + """</style></head><body>
<nav><b>{title} API</b>{contents}<h2>Schemas</h2><a href="#schemas">All schemas</a></nav>
<main><h1>{title} API</h1><p>{introduction}</p>
<p>Server: <code>{server}</code>. Machine-readable: <a href="/openapi.json">openapi.json</a>.
Send <code>Authorization: Bearer YOUR_KEY</code> with everything under <code>/v1</code>.</p>
{operations}
<h2 id="schemas">Schemas</h2>{schemas}</main></body></html>
"""
)
