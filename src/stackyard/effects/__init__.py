"""The only place that runs processes or opens sockets."""
