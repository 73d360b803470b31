"""What a dataset says about itself: choices, rules, validators, and the CKAN package made of it."""
