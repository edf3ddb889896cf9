"""The checks: each a function of the run that returns what it saw, or raises StackyardError."""
