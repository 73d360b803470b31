"""The file forms of a published table. Each is made from the canonical CSV, vectorised and in one pass.

The same rows and facts give the same bytes, so that a file that is built again has the same sha256.
"""
