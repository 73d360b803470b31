"""The portal as a WSGI application, for gunicorn: CKAN_INI names the settings file."""

import logging
import os

from ckan.cli import load_config
from ckan.config.middleware import make_app

from .request_line import take_typed_addresses

take_typed_addresses()
application = make_app(load_config(os.environ["CKAN_INI"]))
# Reading its settings CKAN silences every logger that was there before: gunicorn's errors and access log with them.
for name in ("gunicorn.error", "gunicorn.access"):
    logging.getLogger(name).disabled = False
