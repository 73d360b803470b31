"""The search server's configuration: one configset for the embedded Solr and for the Docker image."""
