// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what a config holds
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { sinks } from '../sinks/index.ts';
import { configSchema, type JsonSchema } from '../src/config/json-schema.ts';
import { ConfigTree } from '../src/config/tree.ts';
import { type Config, ConfigMistakes, loadConfig } from '../src/config.ts';
import { DEFAULT_EVENT_OPTIONS } from '../src/normalize/event-options.ts';
import { Failure } from '../src/terminal.ts';
import { config, failure, newFolder } from './config.fixtures.ts';
import { newAuthority } from './fixtures/authority.ts';

const folder = newFolder();
after(() => folder.remove());

const optionsOf = (loaded: Config) => loaded.sinks[0]?.options() as Record<string, unknown>;

describe('a config that is right', () => {
  it('is read with every default filled in', async () => {
    const loaded = await folder.load(config());
    const {
      mosaic,
      sinks: [screen],
      secrets,
      ...rest
    } = loaded;
    const { clientSecret, ...plainMosaic } = mosaic;
    assert.equal(clientSecret(), 's');
    assert.deepEqual(plainMosaic, {
      baseUrl: 'https://api.eu.transmitsecurity.io/activities/v1',
      tokenUrl: 'https://api.eu.transmitsecurity.io/oidc/token',
      clientId: 'c',
      enrichment: false,
      timeoutMs: 60_000,
      maxAnswerSize: 64 * 2 ** 20,
      tls: { ca: undefined, cert: undefined, key: undefined, verify: true },
      streams: [{ name: 'verify/siem', type: 'verify', id: 'siem', batchSize: 1000, pollIntervalMs: 30_000 }],
    });
    assert.deepEqual(rest, {
      file: resolve(folder.path, 'forwarder.yaml'),
      spool: { path: resolve('data'), maxSize: 10 * 2 ** 30, retentionMs: 7 * 86_400_000 },
      events: DEFAULT_EVENT_OPTIONS,
      status: { host: '127.0.0.1', port: 8686 },
      shutdownTimeoutMs: 20_000,
      log: { level: 'info', format: 'text', outputs: [{ type: 'console' }] },
      warnings: [],
    });
    assert.deepEqual(secrets(), ['s']);
    assert.ok(screen);
    const { definition, options, ...settings } = screen;
    assert.equal(definition.type, 'console');
    assert.deepEqual(options(), {});
    assert.deepEqual(settings, {
      name: 'screen',
      start: 'latest',
      timeoutMs: 30_000,
      insecure: false,
      tls: { ca: undefined, cert: undefined, key: undefined, verify: true },
      ...definition.defaults,
    });
  });

  it('takes what it says', async () => {
    const loaded = await folder.load(
      config({
        mosaic: `base_url: "http://127.0.0.1:8080/activities/v2/", token_url: http://localhost/t, client_id: c, client_secret: s, resource: r,
          timeout: 1.5s, max_answer_size: 5MB, enrichment: true, proxy: "http://u:p@proxy:3128",
          streams: [{ type: risk, id: a/b, batch_size: 7, poll_interval: 100ms }]`,
        sinks: `new: { type: file, path: x, start: earliest, was: old, concurrency: 3, timeout: 5s, limit: 0.5/s, batch: { max_events: 4, max_bytes: 2KiB },
          only: { severity: high, codes: [a.*], streams: [risk/a/b] }, except: { codes: [b] } }`,
        rest: `spool: { path: /var/spool/x, max_size: 7MB, retention: 0s }
events: { severity: { "a.*": low }, original: true, drop: [source.ip], redact_urls: false, timestamp_window: { past: 1d, future: 2m }, check_result: { success: [x], failure: [] } }
status: { listen: "[::1]:0", token: tok }
shutdown_timeout: 1s
log: { level: debug, format: json, outputs: [{ type: file, path: x.log }, { type: syslog, address: "udp://localhost:514" }, { type: splunk_hec, url: "https://s", token: logtok, index: i }] }`,
      }),
    );
    assert.equal(loaded.mosaic.baseUrl, 'http://127.0.0.1:8080/activities/v2');
    assert.equal(loaded.mosaic.tokenUrl, 'http://localhost/t');
    assert.deepEqual(loaded.mosaic.streams, [
      { name: 'risk/a/b', type: 'risk', id: 'a/b', batchSize: 7, pollIntervalMs: 100 },
    ]);
    assert.deepEqual(
      [loaded.mosaic.timeoutMs, loaded.mosaic.maxAnswerSize, loaded.mosaic.enrichment],
      [1500, 5e6, true],
    );
    const [sink] = loaded.sinks;
    assert.deepEqual(sink?.only, { severity: 'high', codes: ['a.*'], streams: ['risk/a/b'] });
    assert.deepEqual(sink?.except, { codes: ['b'] });
    assert.deepEqual([sink?.start, sink?.was, sink?.concurrency, sink?.limit], ['earliest', 'old', 3, 0.5]);
    assert.deepEqual([sink?.timeoutMs, sink?.maxEvents, sink?.maxBytes], [5000, 4, 2048]);
    assert.deepEqual(loaded.spool, { path: '/var/spool/x', maxSize: 7e6, retentionMs: 0 });
    assert.deepEqual(loaded.events.timestampWindow, { pastMs: 86_400_000, futureMs: 120_000 });
    assert.deepEqual(loaded.status, { host: '::1', port: 0, token: 'tok' });
    assert.deepEqual(loaded.log.outputs, [
      { type: 'file', path: resolve('x.log') },
      { type: 'syslog', address: 'udp://localhost:514', appName: 'mosaic-siem' },
      { type: 'splunk_hec', url: 'https://s', token: 'logtok', index: 'i' },
    ]);
    assert.deepEqual([...loaded.secrets()].sort(), ['http://u:p@proxy:3128', 'logtok', 's', 'tok']);
  });

  it('gives every stream of a link its address', async () => {
    const link = 'https://h.example.com/x/v1/activities/collect?type=cis&stream_id=s1&batch_size=50';
    const { mosaic } = await folder.load(
      config({ mosaic: `client_id: c, client_secret: s, streams: [{ link: "${link}" }]` }),
    );
    assert.equal(mosaic.baseUrl, 'https://h.example.com/x/v1');
    assert.equal(mosaic.tokenUrl, 'https://h.example.com/oidc/token');
    assert.deepEqual(mosaic.streams, [
      { name: 'cis/s1', type: 'cis', id: 's1', batchSize: 50, pollIntervalMs: 30_000, link },
    ]);
  });

  for (const off of ['off', '"off"', 'false', '{ listen: off }'])
    it(`switches the status page off with ${off}`, async () => {
      assert.equal((await folder.load(config({ rest: `status: ${off}` }))).status, undefined);
    });

  it('takes a section with nothing in it as not given', async () => {
    const loaded = await folder.load(
      config({ rest: 'spool:\nevents:\nstatus:\nlog:\n  outputs:\nshutdown_timeout:\n' }),
    );
    const { spool, events, status, log } = await folder.load(config());
    assert.deepEqual([loaded.spool, loaded.events, loaded.status, loaded.log], [spool, events, status, log]);
  });

  it('warns of what is allowed and dangerous', async () => {
    const { warnings } = await folder.load(
      config({
        mosaic:
          'base_url: "http://m.example.com/activities/v1", insecure: true, client_id: c, client_secret: s, streams: [{ type: verify, id: a }]',
        sinks: `far: { type: syslog, address: "udp://syslog.example.com" }, near: { type: syslog, address: "tcp://127.0.0.1:514" },
          blind: { type: splunk_hec, url: "https://s", token: t, tls: { verify: false } }, plain: { type: splunk_hec, url: "http://s", token: t, insecure: true },
          slip: { type: console, only: { streams: [verify/b] } }`,
        rest: 'log: { outputs: [{ type: syslog, address: "udp://log.example.com:514" }] }',
      }),
    );
    assert.deepEqual(
      warnings.map((warning) => warning.replace(/(is false|is not encrypted|which is not collected).*/, '$1')).sort(),
      [
        'log output syslog: udp:// is not encrypted',
        'mosaic: http:// is not encrypted',
        'sink blind: tls.verify is false',
        'sink far: udp:// is not encrypted',
        'sink plain: http:// is not encrypted',
        'sink slip: its filter names the stream verify/b, which is not collected',
      ],
    );
  });

  it('warns of codes that no event has', async () => {
    const codes =
      'codes: [verification_status_update.*, Redirect, page_loaded.*, cis.unknown, pipeline_error, unknown]';
    const { warnings } = await folder.load(
      config({
        sinks: `a: { type: console, only: { ${codes} } }, b: { type: console, except: { codes: ["*", nothing_like_it_at_all] } }`,
        rest: 'events: { severity: { verification_status_updated.rejectd: high, session_*: low } }',
      }),
    );
    assert.deepEqual(warnings, [
      'events.severity: no event has the code verification_status_updated.rejectd (did you mean verification_status_updated.rejected?)',
      'sink a: no event has the code verification_status_update.* (did you mean verification_status_updated.*?)',
      'sink a: no event has the code Redirect (did you mean redirect?)',
      'sink b: no event has the code nothing_like_it_at_all',
    ]);
  });

  it('may use anchors, merged maps and any line ends', async () => {
    const text = `mosaic: &m
  region: eu
  client_id: &id c
  client_secret: *id
  streams: [{ type: verify, id: siem }]
sinks:
  one: &one { type: splunk_hec, url: "https://a.example.com", token: t }
  two: { <<: *one, url: "https://b.example.com" }
`;
    for (const variant of [text, text.replaceAll('\n', '\r\n'), `\uFEFF${text}`]) {
      const loaded = await folder.load(variant);
      assert.equal(loaded.mosaic.clientSecret(), 'c');
      const urls = loaded.sinks.map((sink) => (sink.options() as { url: string }).url);
      assert.deepEqual(urls, ['https://a.example.com', 'https://b.example.com']);
    }
  });
});

describe('a config that is wrong', () => {
  const fixtures = new URL('./fixtures/config/', import.meta.url).pathname;
  const environment = { SECRET: 'hunter2hunter2', MOSAIC_REGION: 'hunter2', EMPTY: '' };
  const names = readdirSync(fixtures).filter((name) => name.endsWith('.yaml'));
  assert.ok(names.length >= 10);
  for (const name of names)
    it(`is told whole: ${name}`, async () => {
      const error = await failure(loadConfig(fixtures + name, sinks, environment));
      assert.ok(error instanceof ConfigMistakes && error instanceof Failure);
      assert.equal(error.exitCode, 78);
      const told = error.message.replaceAll(fixtures, '').replaceAll(fixtures.replace(/\/$/, ''), '.');
      assert.deepEqual(
        told.split('\n'),
        readFileSync(`${fixtures}${name.replace('.yaml', '.expected')}`, 'utf8')
          .trimEnd()
          .split('\n'),
      );
      for (const line of told.split('\n')) assert.match(line, /^\w+\.yaml:\d+:\d+ \S/);
      assert.ok(!error.message.includes('hunter2'), 'a secret is told');
    });

  it('is told at the same places with other line ends and with a byte order mark', async () => {
    const text = 'mosaic:\n  regoin: eu\n  client_id: "a\\q"\nsinks: { a: { type: consol } }\n';
    const told = await folder.mistakes(text);
    assert.equal(told.length > 3, true);
    assert.deepEqual(await folder.mistakes(text.replaceAll('\n', '\r\n')), told);
    assert.deepEqual(await folder.mistakes(`\uFEFF${text}`), told);
  });

  it('quotes no text where it is not YAML', async () => {
    for (const secret of [
      '*hunter2',
      '!hunter2',
      '%hunter2',
      '"hunter2\\q"',
      "'hunter2",
      '[hunter2',
      '&hunter2',
      '|hunter2',
      'hunter2: x: y',
      '{hunter2]',
    ])
      for (const line of await folder.mistakes(`mosaic:\n  client_secret: ${secret}\n  region: eu\n`))
        assert.ok(!line.includes('hunter2'), line);
  });

  it('takes the value out of a message that the schema of a sink made with it', async () => {
    folder.file(
      'telling.mjs',
      `import { z } from ${JSON.stringify(import.meta.resolve('zod'))};
      const options = z.strictObject({ token: z.string().superRefine((value, context) => context.addIssue({ code: 'custom', message: 'bad: ' + value })) });
      export default { type: 'telling', summary: '', options, promises: { acknowledged: true, idempotent: true, perEvent: true },
        defaults: { concurrency: 1, maxEvents: 1, maxBytes: 1 }, open: async () => undefined };`,
    );
    const told = await folder.mistakes(config({ sinks: 'own: { type: ./telling.mjs, token: "${T}" }' }), {
      T: 'hunter2',
    });
    assert.deepEqual(told, ['forwarder.yaml:2:45 sinks.own.token: bad: ***']);
  });

  it('is not told of a key that needs another, where that other one could not be read', async () => {
    const elastic = (more: string) => config({ sinks: `es: { type: elasticsearch, url: "https://es", ${more} }` });
    const told = await folder.mistakes(elastic('username: "${ES_USER}", password: p'));
    assert.deepEqual(told, ['forwarder.yaml:2:66 sinks.es.username: the environment variable ES_USER is not set']);
    const other = await folder.mistakes(elastic('username: u, password: "${file:none}"'));
    assert.equal(other.length, 1);
    assert.match(other[0] ?? '', /sinks\.es\.password: .*none/);
    const missing = await folder.mistakes(elastic('password: p, namespace: "${NAMESPACE}"'));
    assert.match(missing.join('\n'), /sinks\.es\.password: password needs username/);
    assert.equal(missing.length, 2);
  });

  it('is a file that two sinks, or a sink and the log, write into', async () => {
    const sinks =
      'a: { type: file, path: x.ndjson }, b: { type: file, path: "./y/../${X}" }, c: { type: file, path: z }';
    const rest =
      'log: { outputs: [{ type: file, path: y.log }, { type: file, path: z }, { type: file, path: y.log }] }';
    assert.deepEqual(await folder.mistakes(config({ sinks, rest }), { X: 'x.ndjson' }), [
      'forwarder.yaml:2:68 sinks.b.path: is the file that sinks.a writes: each needs one of its own',
      'forwarder.yaml:3:67 log.outputs[1].path: is the file that sinks.c writes: each needs one of its own',
      'forwarder.yaml:3:92 log.outputs[2].path: is the file that log.outputs[0] writes: each needs one of its own',
    ]);
    const own =
      'x: { type: file, path: x }, y: { type: file, path: y }, z: { type: file }, s: { type: console, path: x }';
    assert.equal(
      (await folder.mistakes(config({ sinks: own }))).some((line) => line.includes('is the file')),
      false,
    );
  });

  it('is no crash, whatever the text: a mistake or a config', async () => {
    const example = readFileSync(new URL('../config/example.yaml', import.meta.url), 'utf8').replace(/ +#.*/g, '');
    const noise = [
      '\t',
      '"',
      "'",
      '{',
      '}',
      '[',
      ']',
      ':',
      '- ',
      '*x',
      '&x ',
      '!x ',
      '\n',
      '${',
      '|\n',
      '#',
      '<<: ',
      '\u0000',
      '\ud800',
      '__proto__: ',
      '? ',
      '---\n',
      '%',
      ',',
    ];
    let state = 7;
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    for (let round = 0; round < 150; round++) {
      const [at, length] = [random(example.length), random(3) === 0 ? random(200) : 0];
      const text = example.slice(0, at) + noise[random(noise.length)] + example.slice(at + length);
      const result = await folder
        .load(text, {
          MOSAIC_CLIENT_ID: 'i',
          MOSAIC_CLIENT_SECRET: 'hunter2',
          SPLUNK_HEC_TOKEN: 'hunter2',
          ELASTIC_API_KEY: 'hunter2',
        })
        .catch((error: unknown) => error);
      if (!(result instanceof Error)) continue;
      assert.ok(result instanceof ConfigMistakes, `${result.stack}\nat ${at} of\n${text}`);
      assert.ok(result.mistakes.length > 0);
      assert.ok(!result.message.includes('hunter2'));
    }
  });

  it('ends with a sentence where there is nothing to read', async () => {
    const cases: [string, RegExp][] = [
      [resolve(folder.path, 'nowhere.yaml'), /nowhere\.yaml cannot be read: there is no such file/],
      [folder.path, /cannot be read: it is a folder/],
      [folder.file('latin.yaml', new Uint8Array([0x61, 0x3a, 0x20, 0xfc])), /latin\.yaml is not UTF-8/],
    ];
    for (const [file, sentence] of cases) {
      const error = await failure(loadConfig(file, sinks));
      assert.match(error.message, sentence);
      assert.equal((error as Failure).exitCode, 78);
    }
  });
});

describe('${…}', () => {
  const options = async (path: string, environment: Record<string, string> = {}) => {
    const loaded = await folder.load(config({ sinks: `a: { type: file, path: ${path} }` }), environment);
    return optionsOf(loaded)['path'];
  };

  it('puts in variables and files, in one pass', async () => {
    folder.file('secret', 'from ${A} file\n\n');
    assert.equal(await options('"<${A}|${B}>"', { A: '${B}', B: '$${A}' }), '<${B}|$${A}>');
    assert.equal(await options('"${file:secret}"'), 'from ${A} file\n');
    assert.equal(await options(`"\${file:${folder.path}/secret}"`), 'from ${A} file\n');
    assert.equal(await options('"$${A} $A $$ ${A}"', { A: 'a' }), '${A} $A $$ a');
  });

  it('cannot change the config', async () => {
    assert.equal(
      await options('"${A}"', { A: 'x"\nsinks: { b: { type: console } }' }),
      'x"\nsinks: { b: { type: console } }',
    );
    assert.equal(await options("'${A}'", { A: '*x' }), '*x');
  });

  it('becomes a number or true and false where these are wanted, else stays text', async () => {
    const text = config({
      mosaic:
        'region: eu, client_id: "${N}", client_secret: "${YES}", enrichment: "${YES}", timeout: "${T}", streams: [{ type: verify, id: "${N}", batch_size: "${N}" }]',
      sinks:
        'a: { type: splunk_hec, url: "https://s", token: "${N}", acknowledgement: "${YES}", concurrency: "${N}", tls: { verify: "${NO}" } }',
    });
    const {
      mosaic,
      sinks: [sink],
    } = await folder.load(text, { N: '42', YES: 'true', NO: 'false', T: '5s' });
    assert.deepEqual(
      [mosaic.clientId, mosaic.clientSecret(), mosaic.enrichment, mosaic.timeoutMs],
      ['42', 'true', true, 5000],
    );
    assert.deepEqual([mosaic.streams[0]?.id, mosaic.streams[0]?.batchSize], ['42', 42]);
    assert.deepEqual([sink?.concurrency, sink?.tls.verify], [42, false]);
    const own = sink?.options() as Record<string, unknown>;
    assert.deepEqual([own['token'], own['acknowledgement']], ['42', true]);
  });

  it('is no part of a key', async () => {
    const told = await folder.mistakes(config({ rest: '"${A}": 1' }), { A: 'spool' });
    assert.match(told.join(), /\["\$\{A\}"\]: unknown key/);
  });

  it('is read anew, so that a secret can be renewed', async () => {
    folder.file('secret', 'first\n');
    folder.file('token', 'first-token');
    const text = config({
      mosaic: 'region: eu, client_id: c, client_secret: "${file:secret}", streams: [{ type: verify, id: a }]',
      sinks: 'a: { type: splunk_hec, url: "https://s", token: "${file:token}" }',
    });
    const loaded = await folder.load(text);
    const tokens = () => [loaded.mosaic.clientSecret(), optionsOf(loaded)['token']];
    assert.deepEqual(tokens(), ['first', 'first-token']);
    folder.file('secret', 'second');
    folder.file('token', 'second-token');
    assert.deepEqual(tokens(), ['second', 'second-token']);
    assert.deepEqual(loaded.secrets(), ['first', 'first-token', 'second', 'second-token']);
    for (const name of ['secret', 'token']) rmSync(resolve(folder.path, name));
    assert.throws(tokens, ConfigMistakes);
    assert.throws(() => loaded.sinks[0]?.options(), /forwarder\.yaml:2:\d+ sinks\.a\.token: .*there is no such file/);
    folder.file('secret', '');
    assert.throws(() => loaded.mosaic.clientSecret(), /is empty/);
    folder.file('secret', 'third');
    folder.file('token', 'third-token');
    assert.deepEqual(tokens(), ['third', 'third-token']);
  });

  it('keeps neither old values nor old mistakes', () => {
    folder.file('value', 'one');
    const tree = new ConfigTree('x.yaml', 'key: ${file:value}', { environment: {}, folder: folder.path });
    folder.file('value', 'two');
    assert.equal(
      tree.again(['key'], (value) => value),
      'two',
    );
    assert.deepEqual(tree.fromOutside([]), ['two']);
    rmSync(resolve(folder.path, 'value'));
    assert.throws(() => tree.again(['key'], (value) => value), ConfigMistakes);
    assert.deepEqual(tree.mistakes, []);
  });
});

describe('TLS files', () => {
  it('are found beside the config, and tried', async () => {
    const { selfMade } = newAuthority(folder.path);
    for (const name of ['one', 'two']) selfMade(name);
    const sink = (tls: string) =>
      config({ sinks: `a: { type: splunk_hec, url: "https://s", token: t, tls: { ${tls} } }` });
    const {
      sinks: [good],
    } = await folder.load(sink('ca: one.pem, cert: ./two.pem, key: two.key'));
    const at = (name: string) => resolve(folder.path, name);
    assert.deepEqual(good?.tls, { ca: at('one.pem'), cert: at('two.pem'), key: at('two.key'), verify: true });
    assert.match(
      (await folder.mistakes(sink('cert: one.pem, key: two.key'))).join(),
      /sinks\.a\.tls\.cert: .*key values mismatch/,
    );
    assert.match(
      (await folder.mistakes(sink('cert: one.key, key: one.key'))).join(),
      /sinks\.a\.tls\.cert: cert and key cannot be used/,
    );
  });
});

describe('a sink of your own', () => {
  it('is a module beside the config', async () => {
    folder.file(
      'own.mjs',
      `import { z } from ${JSON.stringify(import.meta.resolve('zod'))};
      export default { type: 'own', summary: 'mine', options: z.strictObject({ colour: z.enum(['red', 'blue']), at: z.union([z.string(), z.strictObject({ port: z.number() })]).optional() }),
        promises: { acknowledged: true, idempotent: true, perEvent: true }, defaults: { concurrency: 2, maxEvents: 3, maxBytes: 4 }, open: async () => undefined };`,
    );
    const {
      sinks: [own],
    } = await folder.load(config({ sinks: 'mine: { type: ./own.mjs, colour: red }' }));
    assert.deepEqual([own?.definition.type, own?.concurrency, own?.options()], ['own', 2, { colour: 'red' }]);
    const told = await folder.mistakes(config({ sinks: 'mine: { type: ./own.mjs, color: red, colour: rad }' }));
    assert.match(
      told.join('\n'),
      /mine\.color: unknown key.*\(did you mean colour\?\)\n.*"rad" is not one of red, blue \(did you mean red\?\)/,
    );
    folder.file('lone.mjs', `import { z } from 'mosaic-siem-forwarder/sink'; export default z;`);
    assert.match(
      (await folder.mistakes(config({ sinks: 'mine: { type: ./lone.mjs }' }))).join('\n'),
      /lone\.mjs cannot be imported: Cannot find package 'mosaic-siem-forwarder' .*; install it beside the config$/,
    );
    folder.file('old.cjs', `import { z } from 'mosaic-siem-forwarder/sink';`);
    assert.match(
      (await folder.mistakes(config({ sinks: 'mine: { type: ./old.cjs }' }))).join('\n'),
      /old\.cjs cannot be imported: Cannot use import .*; write "type": "module" into .* or let its name end in \.mjs$/,
    );
    const union = await folder.mistakes(config({ sinks: 'mine: { type: ./own.mjs, colour: red, at: { port: x } }' }));
    assert.match(union.join('\n'), /^\S+ sinks\.mine\.at\.port: expected a number, found text$/);
  });
});

describe('the files beside it', () => {
  const read = (name: string) => readFileSync(new URL(`../config/${name}`, import.meta.url), 'utf8');
  const variables = { MOSAIC_CLIENT_ID: 'a', MOSAIC_CLIENT_SECRET: 'b', SPLUNK_HEC_TOKEN: 'c', ELASTIC_API_KEY: 'd' };

  it('config/example.yaml is a good config with the defaults', async () => {
    assert.ok(read('example.yaml').startsWith('# yaml-language-server: $schema=./schema.json\n'));
    const example = await folder.load(read('example.yaml'), variables);
    const least = await folder.load(config());
    const comparable = ({ spool, events, status, shutdownTimeoutMs, log }: Config) => ({
      spool,
      events,
      status,
      shutdownTimeoutMs,
      log,
    });
    assert.deepEqual(comparable(example), comparable(least));
    assert.deepEqual(
      example.sinks.map((sink) => sink.definition.type).sort(),
      sinks.map((definition) => definition.type).sort(),
    );
  });

  it('config/example.yaml names every option', () => {
    const example = read('example.yaml');
    const names = (schema: JsonSchema): string[] => [
      ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [name, ...names(inner)]),
      ...[schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...Object.values(schema.$defs ?? {})].flatMap(
        (inner) => (inner ? names(inner as JsonSchema) : []),
      ),
      ...(typeof schema.additionalProperties === 'object' ? names(schema.additionalProperties) : []),
    ];
    const missing = [...new Set(names(configSchema(sinks)))].filter((name) => !new RegExp(`\\b${name}:`).test(example));
    assert.deepEqual(missing, []);
  });

  it('config/schema.json is fresh: node src/main.ts schema > config/schema.json', () => {
    assert.deepEqual(JSON.parse(read('schema.json')), JSON.parse(JSON.stringify(configSchema(sinks))));
  });

  it('config/schema.json says which options are secret, and lets ${…} stand for a number', () => {
    const { properties = {} } = configSchema(sinks);
    assert.equal(properties['mosaic']?.properties?.['client_secret']?.secret, true);
    const batchSize = properties['mosaic']?.properties?.['streams']?.items?.properties?.['batch_size'];
    assert.deepEqual(
      batchSize?.anyOf?.map(({ type }) => type),
      ['integer', 'string'],
    );
  });
});
