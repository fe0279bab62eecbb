"""The gate report: one HTML page for people, and a summary for the terminal."""
