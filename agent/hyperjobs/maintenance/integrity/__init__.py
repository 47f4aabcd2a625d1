"""Whether the store, its rows and its newest backup are sound; and what follows when they are not."""
