"""The web page: a client of the service's jobs like any other, drawn by gradio."""
