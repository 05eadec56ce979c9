"""The pages, as the application learns of them."""

from __future__ import annotations

from flask import Flask

from api.pages.about import docs_page, models_page, system_page
from api.pages.account import keys_page, sign_in
from api.pages.frame import static_files, thumbnail_pictures
from api.pages.frame.page import may
from api.pages.frame.page_errors import problem_as_page
from api.pages.frame.static_files import static_url
from api.pages.frame.words import FILTERS
from api.pages.identity import public_demo
from api.pages.identity.csrf import csrf_token
from api.pages.identity.page_state import keep_page_state
from api.pages.identity.public_demo import current_visitor
from api.pages.identity.session import current_caller
from api.pages.jobs import job_actions, job_downloads, job_list, job_page
from api.pages.libraries import (
    library_home,
    library_list,
    library_night,
    library_photo,
    library_settings,
    library_words,
)
from api.pages.trying import try_page

LIBRARIES = (library_list, library_home, library_night, library_photo, library_settings)
JOBS = (job_list, job_page, job_actions, job_downloads)
HOUSE = (models_page, system_page, keys_page, docs_page)
MODULES = (static_files, sign_in, thumbnail_pictures, try_page, *JOBS, *LIBRARIES, *HOUSE)


def register_pages(app: Flask) -> None:
    """Add every page, and answer errors of pages with pages."""
    app.jinja_env.filters.update({**FILTERS, **library_words.FILTERS})
    app.jinja_env.globals.update(
        csrf_token=csrf_token,
        may=may,
        static_url=static_url,
        viewer=current_caller,
        visitor=current_visitor,
        demo=public_demo,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.template_folder = "pages/templates"
    keep_page_state(app)
    for module in MODULES:
        app.register_blueprint(module.blueprint)
    app.after_request(problem_as_page)
