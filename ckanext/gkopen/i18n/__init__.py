"""The catalogues of texts: `python -m ckanext.gkopen.i18n` brings them up to date (docs/design-tokens.md)."""

DOMAIN = "ckanext-gkopen"
