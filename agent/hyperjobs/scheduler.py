"""When tasks run by themselves: the scheduling library, given our own slots."""
