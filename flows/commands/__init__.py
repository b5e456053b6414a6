"""Groups of commands, a module each; `flows.cli` puts them together."""
