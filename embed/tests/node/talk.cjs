// node talk.cjs URL: a WebSocket by the `ws` package. Sends each line that comes on stdin, prints
// what happens as lines of JSON, and closes in order when stdin ends.
"use strict";
const { createInterface } = require("node:readline");
const WebSocket = require("ws");

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const socket = new WebSocket(process.argv[2]);
socket.on("open", () => {
  tell({ open: socket.extensions });
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => socket.send(line));
  lines.on("close", () => socket.close(1000, "bye"));
});
socket.on("message", (data, isBinary) => tell({ message: data.toString(), isBinary }));
socket.on("error", (error) => tell({ error: error.message }));
socket.on("close", (code, reason) => {
  tell({ close: code, reason: reason.toString() });
  process.exit();
});
