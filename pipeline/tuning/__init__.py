"""`gaterank tune`: both searches over examples, the YAML with what they found, table, picture."""
