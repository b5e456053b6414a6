"""When: Prefect flows and the command line. Thin: no arithmetic, no SQL, no HTML."""
