"""What gkopen adds to CKAN's DataStore: own resource ids, Chinese search, a dump in one snapshot."""
