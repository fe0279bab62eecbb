"""What training costs, against plain Keras and against what the machine can do."""
