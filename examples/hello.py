"""The smallest application: `fasterapi run examples/hello.py`."""

from fasterapi import FasterAPI

app = FasterAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    """Greet everybody."""
    return {"message": "Hello, world"}


@app.get("/hello/{name}")
async def greet(name: str, times: int = 1) -> dict[str, str]:
    """Greet somebody, once or several times."""
    return {"message": ", ".join([f"Hello {name}"] * times)}
