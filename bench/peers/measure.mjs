// The command line: see options.mjs.

import { writeFileSync } from 'node:fs';

import { parseOptions, USAGE } from './options.mjs';
import { markdown, report } from './report.mjs';
import { run } from './run.mjs';

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(USAGE);
} else {
  try {
    const options = parseOptions(args, process.env);
    const rows = await run(options, (measure) => console.error(`${measure} …`));
    const made = report(options, args, rows);
    if (options.json) writeFileSync(options.json, `${JSON.stringify(made, null, 2)}\n`);
    console.log(markdown(made));
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    console.error('See --help.');
    process.exitCode = 1;
  }
}
