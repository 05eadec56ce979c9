"""How much of the database a photo takes: its row, twenty labels, a caption, an embedding, and all indexes.

python -m bench.library_size --photos 20000
"""

from __future__ import annotations

import argparse

from sqlalchemy import text

from bench.library_rows import add_outputs, add_photos, make_library, open_database
from db.engine import Database

TABLES = ("library_photos", "ledger", "labels", "recipes", "specs")


def size_of(database: Database) -> int:
    """Bytes of the tables and indexes that photos lie in."""
    with database.read() as session:
        if database.is_sqlite:
            return int(
                session.execute(
                    text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
                ).scalar_one()
            )
        sizes = " + ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
        return int(session.execute(text(f"SELECT {sizes}")).scalar_one())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    given = parser.parse_args()
    for kind in ("sqlite", "postgresql"):
        with open_database(kind) as database:
            library = make_library(database)
            empty = size_of(database)
            add_photos(database, library, given.photos)
            add_outputs(database, library, given.photos)
            print(f"{kind}: {(size_of(database) - empty) / given.photos:,.0f} bytes a photo")


if __name__ == "__main__":
    main()
