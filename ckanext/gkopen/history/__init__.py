"""What was published before: every revision, every row through time, and the changes in the order they became public."""
