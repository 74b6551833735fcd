/**
 * Makes a component of a plugin in JavaScript: `node build.mjs SOURCE WIT WORLD OUTPUT`, with WIT a folder.
 *
 * `npx componentize-js SOURCE --wit WIT --world-name WORLD --disable stdio random clocks http fetch-event --out OUTPUT` would
 * do as well, but for a fault that is mended here. (componentize-js 0.23 also uses preview2-shim without asking for it, so
 * package.json does.)
 */

import { writeFile } from "node:fs/promises";
import { argv } from "node:process";

import { componentize, DEFAULT_FEATURES } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, worldName, output] = argv.slice(2);

/**
 * The bindings of componentize-js 0.23 use a class for each handle, and have none for a handle without functions of its own
 * (https://github.com/bytecodealliance/ComponentizeJS/issues/221), such as the sandbox-builder. This adds what is missing.
 *
 * @param {string} bindings
 */
function withMissingClasses(bindings) {
  const used = [...bindings.matchAll(/Object\.create\((\w[\w$]*)\.prototype\)/g)].map(([, name]) => name);
  const missing = new Set(used.filter((name) => !bindings.includes(`class ${name} {`)));
  return [...missing].map((name) => `class ${name} {}\n`).join("") + bindings;
}

// What makes the bindings is not among the package's exports.
const { splicer } = await import(
  new URL("../lib/spidermonkey-embedding-splicer.js", import.meta.resolve("@bytecodealliance/componentize-js"))
);
const { spliceBindings } = splicer;
splicer.spliceBindings = (...args) => {
  const spliced = spliceBindings(...args);
  return { ...spliced, jsBindings: withMissingClasses(spliced.jsBindings) };
};

const { component } = await componentize({
  sourcePath,
  witPath,
  worldName,
  // All of WASI: a plugin has what its world imports, and nothing else.
  disableFeatures: DEFAULT_FEATURES,
});
await writeFile(output, component);
