"""What can be asked of a loaded model: predict, classify, regress, several at once."""
