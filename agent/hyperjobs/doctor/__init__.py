"""What is wrong with a store and its host, and what to do about it: one check a question, none of them waits for long."""
