// Runs clients of node-opcua, one after the other, until its standard input ends: node node.js. Each line that it reads is
// {"script":"reader.js","want":{...}}; the script tells lines of JSON, and {"done":true} ends them.
'use strict';
const readline = require('readline');

const tell = (o) => process.stdout.write(JSON.stringify(o) + '\n');

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    try {
      await require('./' + job.script)(job.want, tell);
    } catch (err) {
      tell({ error: err.stack });
    }
    tell({ done: true });
  }
}

main().then(() => process.exit(0), (err) => { console.error(err); process.exit(1); });
