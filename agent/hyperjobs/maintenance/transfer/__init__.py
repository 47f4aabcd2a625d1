"""Jobs out of a store into files, and from files or another store into one."""
