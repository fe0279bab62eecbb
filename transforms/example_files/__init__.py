"""Files of tf.Examples in TFX's own steps: read and written many at a time, not one by one."""
