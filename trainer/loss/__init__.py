"""What training makes small: the losses of the tasks, and how they are balanced."""
