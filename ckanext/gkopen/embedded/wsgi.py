"""The portal as a WSGI application, for gunicorn: CKAN_INI names the settings file."""

import os

from ckan.cli import load_config
from ckan.config.middleware import make_app

from .request_line import take_typed_addresses

take_typed_addresses()
application = make_app(load_config(os.environ["CKAN_INI"]))
