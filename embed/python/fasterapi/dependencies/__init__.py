"""The dependency system's parts, under the names that FastAPI gives them."""
