"""What is done to a store to keep it: copies that are proven."""
