"""What a call would do to the world, from its name and arguments."""
