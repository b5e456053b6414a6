"""Show: evidence in, files out. No report computes a number."""
