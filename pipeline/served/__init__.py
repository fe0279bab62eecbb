"""The folder of pushed versions: what a server watches, and what an operator turns back."""
