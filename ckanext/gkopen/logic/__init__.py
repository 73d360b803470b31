"""CKAN's logic layer: actions, authorisation and the guard."""
