"""The page: runs, targets and coverage to look at, and a live view of the run that goes on."""
