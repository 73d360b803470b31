"""What is made from a domain's YAML file: the domain itself, its Excel template, table schema, dictionary and page."""
