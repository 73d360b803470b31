"""Review: who may decide, what was decided, and the chain that proves it."""
