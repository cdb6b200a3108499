// node listen.cjs URL EVENT...: an EventSource by the `eventsource` package. Prints what happens as
// lines of JSON, until stdin ends.
"use strict";
const { EventSource } = require("eventsource");

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const [url, ...kinds] = process.argv.slice(2);
const source = new EventSource(url);
source.addEventListener("open", () => tell({ open: true }));
source.addEventListener("error", (error) => tell({ error: error.code ?? 0 }));
for (const kind of kinds) {
  source.addEventListener(kind, ({ data, lastEventId }) => tell({ kind, data, id: lastEventId }));
}
process.stdin.on("end", () => {
  source.close();
  process.exit();
});
process.stdin.resume();
