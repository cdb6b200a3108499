"""FasterAPI side by side with its peers: what runs, how it is measured, how it is shown."""
