"""The agent's HTTP side: routes as plain functions, and a bounded server around them."""
