"""Whether dashboards and rules, ours or anybody's, ask for what is exported."""
