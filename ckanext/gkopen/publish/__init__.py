"""What is approved becomes public here: the domain tables, the files, the CKAN packages."""
