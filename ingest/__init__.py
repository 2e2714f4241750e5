"""From text to what is known of neurons: one folder per step, and the job that each unit of it is made by."""
