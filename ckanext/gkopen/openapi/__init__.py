"""The public interface described for machines (OpenAPI 3.1) and for people who program (/open/api)."""
