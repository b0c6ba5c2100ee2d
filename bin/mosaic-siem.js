#!/usr/bin/env node
// Starts the program on a Node that can run it. Plain JavaScript: this file must run on any Node.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const OLDEST = [24, 15];
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGUSR2'];
const FROM_KEYS = ['SIGINT', 'SIGQUIT'];

function isOld(version) {
  const [major, minor] = version.split('.').map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

/** In a clone, `npm ci` puts one beside the other packages. The packed form has none. */
function bundledNode() {
  try {
    const name = `node-${process.platform}-${process.arch}`;
    return createRequire(import.meta.url).resolve(`${name}/bin/node`);
  } catch {
    return undefined;
  }
}

/** The same program on that Node; this process only passes signals on, and ends as the other one ends. */
function handOver(node) {
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' });
  // A terminal sends what its keys mean to both processes. Passed on, it would come twice, and the second one means "at once".
  const isTyped = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  for (const signal of FROM_KEYS) process.on(signal, () => isTyped || child.kill(signal));
  child.on('error', (error) => {
    console.error(`mosaic-siem could not start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // Where that signal does not end a process.
    setTimeout(() => process.exit(1), 1000);
  });
}

if (isOld(process.versions.node)) {
  const node = bundledNode();
  if (node) handOver(node);
  else {
    console.error(
      `mosaic-siem needs Node ${OLDEST.join('.')} or newer; this is ${process.versions.node}. Install a newer Node.`,
    );
    process.exit(78);
  }
} else {
  // Half the memory for some more CPU: V8 reads both whenever it decides how far to let its heap grow.
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=30');
  // Loading takes a second, in which a log rotation must not end the daemon. It listens itself once it is there.
  if (process.argv.includes('run')) for (const signal of ['SIGHUP', 'SIGUSR2']) process.on(signal, () => {});
  const source = new URL('../src/main.ts', import.meta.url);
  const entry = existsSync(fileURLToPath(source)) ? source : new URL('../dist/src/main.js', import.meta.url);
  const { main } = await import(entry.href);
  await main(process.argv);
}
