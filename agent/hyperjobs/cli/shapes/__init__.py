"""The JSON that commands write, as types: what mypy holds the code to, a test the output, and docs/json.md is made of."""
