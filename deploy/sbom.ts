/**
 * Prints what an installed package is made of, from the lock file alone, as CycloneDX. The same lock file gives the same
 * bytes: no time, no random number, no path and no address is in it.
 *
 * It starts from all that `npm sbom` knows. With `--omit dev` npm leaves out each package that a development package needs
 * too, as zod, yaml and winston: the list would be short of what is shipped.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly object[];
  readonly [more: string]: unknown;
}
interface Bom {
  readonly metadata: { readonly lifecycles: unknown; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly [more: string]: unknown;
}

const TOP = fileURLToPath(new URL('..', import.meta.url));

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(`${TOP}/${path}`, 'utf8')) as T;
}

function askNpm(): Bom {
  const words = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--offline'];
  return JSON.parse(execFileSync('npm', words, { cwd: TOP, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 })) as Bom;
}

/** What is reached from the `dependencies` of the package, the optional ones of others included. */
function shipped(bom: Bom, names: ReadonlySet<string>): Map<string, readonly string[]> {
  const edges = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn.toSorted()]));
  const reached = new Map<string, readonly string[]>();
  const visit = (ref: string): void => {
    if (reached.has(ref)) return;
    reached.set(ref, edges.get(ref) ?? []);
    for (const next of reached.get(ref) ?? []) visit(next);
  };
  const root = bom.metadata.component['bom-ref'];
  const direct = (edges.get(root) ?? []).filter((ref) => names.has(ref.slice(0, ref.lastIndexOf('@'))));
  for (const ref of direct) visit(ref);
  return reached.set(root, direct);
}

/** The lock file lacks the licence of a package that states it in the old way, as a list. */
function licencesOf({ name, version }: Component): readonly object[] | undefined {
  const { packages } = readJson<{ packages: Record<string, { version?: string }> }>('package-lock.json');
  const path = Object.keys(packages).find(
    (key) => key.endsWith(`node_modules/${name}`) && packages[key]?.version === version,
  );
  if (path === undefined || !existsSync(`${TOP}/${path}/package.json`)) return undefined;
  const { licenses } = readJson<{ licenses?: readonly { type: string }[] }>(`${path}/package.json`);
  return licenses?.map(({ type }) => ({ license: { id: type } }));
}

/** npm names the package after its folder, and some versions of npm tell paths in `properties`. */
function plain(component: Component): Component {
  const { properties: _, externalReferences: __, ...rest } = component;
  const licenses = component.licenses ?? licencesOf(component);
  const name = component['bom-ref'].replace(/(?<=.)@.*$/, '');
  return { ...rest, name, ...(licenses && { licenses }) };
}

function reproducible(bom: Bom, names: ReadonlySet<string>): object {
  const { serialNumber: _, metadata, components, ...rest } = bom;
  const reached = shipped(bom, names);
  const byRef = (one: Component, other: Component) => (one['bom-ref'] < other['bom-ref'] ? -1 : 1);
  return {
    ...rest,
    metadata: { lifecycles: metadata.lifecycles, component: plain(metadata.component) },
    components: components
      .filter((each) => reached.has(each['bom-ref']))
      .toSorted(byRef)
      .map(plain),
    dependencies: [...reached.keys()].toSorted().map((ref) => ({ ref, dependsOn: reached.get(ref) })),
  };
}

const { dependencies } = readJson<{ dependencies: Record<string, string> }>('package.json');
const bom = reproducible(askNpm(), new Set(Object.keys(dependencies)));
process.stdout.write(`${JSON.stringify(bom, undefined, 2)}\n`);
