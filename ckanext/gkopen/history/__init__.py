"""What was published before: every revision, every row through time, and the changes in their order."""
