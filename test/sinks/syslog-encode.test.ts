import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import syslog from '../../sinks/syslog/index.ts';
import { parseAddress } from '../../sinks/syslog/options.ts';
import { type Encoded, encodeRfc5424 } from '../../sinks/syslog/rfc5424.ts';
import { Unframe } from '../../src/simulator/syslog-framing.ts';
import { parseSyslogMessage } from '../../src/simulator/syslog-message.ts';
import type { EcsDocument, Severity } from '../../src/sink.ts';
import { eventOf, someDocument } from './syslog-fixtures.ts';

const SETTINGS = {
  facility: 20,
  hostname: 'forwarder-1',
  appName: 'mosaic-siem',
  processId: 4711,
  enterpriseNumber: 32473,
};

function encode(document: EcsDocument, maxBytes = 8192, more: Partial<typeof SETTINGS> = {}) {
  return encodeRfc5424(eventOf(document), { ...SETTINGS, ...more }, maxBytes);
}

function textOf(encoded: Encoded): string {
  assert.ok('text' in encoded, `too large: ${JSON.stringify(encoded)}`);
  assert.equal(Buffer.byteLength(encoded.text), encoded.bytes);
  return encoded.text;
}

/** What a strict receiver reads. */
function receive(document: EcsDocument, maxBytes = 8192) {
  return parseSyslogMessage(Buffer.from(textOf(encode(document, maxBytes))));
}

function golden(name: string): EcsDocument {
  const file = new URL(`../golden/${name}/expected.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'))[0] as EcsDocument;
}

describe('RFC 5424 text', () => {
  test('the vendor sample', () => {
    const document = golden('vendor-sample');
    assert.equal(
      textOf(encode(document)),
      '<166>1 2024-09-22T11:38:00.107Z forwarder-1 mosaic-siem 4711 page_loaded [idv@32473 ' +
        'id="2bed7aa934a2f311357242221b2d8dd8" session="fHDV8gsIdJoid1br" page="document_front"] ' +
        JSON.stringify(document),
    );
  });

  test('a rejected result is priority 163 and names the result', () => {
    const event = eventOf(golden('rejected-result-snake-case'), 'high');
    assert.match(
      textOf(encodeRfc5424(event, SETTINGS, 8192)),
      /^<163>1 2022-12-01T01:20:23\.000Z forwarder-1 mosaic-siem 4711 verification_status_updated \[idv@32473 id="[0-9a-f]{32}" session="fHDV8gsIdJoid1br" result="Rejected"\] \{/,
    );
  });

  test('each severity has its number', () => {
    const ladder: Record<Severity, number> = { informational: 166, low: 165, medium: 164, high: 163, critical: 162 };
    for (const [severity, priority] of Object.entries(ladder)) {
      const event = eventOf(someDocument('a'), severity as Severity);
      assert.ok(textOf(encodeRfc5424(event, SETTINGS, 8192)).startsWith(`<${priority}>1 `), severity);
    }
  });

  test('without an enterprise number structured data is nil', () => {
    const event = eventOf(someDocument('a'));
    const text = textOf(encodeRfc5424(event, { ...SETTINGS, enterpriseNumber: undefined }, 8192));
    assert.match(text, / page_loaded - \{"@timestamp"/);
  });

  test('another stream type has its own SD-ID', () => {
    const document = { ...someDocument('a'), transmit_security: { risk: { session_id: 's' } } };
    assert.deepEqual(receive(document).structuredData, { 'risk@32473': { id: 'a', session: 's' } });
  });

  test('header fields that do not fit their format are reduced', () => {
    const header = (document: EcsDocument) => textOf(encode(document)).split(' ', 6);
    const action = (text: string) =>
      header({ ...someDocument('a'), event: { id: 'a', action: text, severity: 10 } })[5];
    assert.equal(action('späte prüfung\n<1>1'), 'sp_te_pr_fung_<1>1');
    assert.equal(action('x'.repeat(40)), 'x'.repeat(32));
    assert.equal(action(''), '-');
    const time = (text: string) => header({ ...someDocument('a'), '@timestamp': text })[1];
    assert.equal(time('2024-09-22T11:38:00.123456789Z'), '2024-09-22T11:38:00.123Z');
    assert.equal(time('2024-02-31 x'), '-');
    assert.equal(time('+012024-09-22T11:38:00.000Z'), '-');
  });
});

describe('what an applicant controls cannot leave its field', () => {
  const HOSTILE = 'a"]\\ \n<0>1 - - - - - \r\u0000\u001b[31m\u007f\u009b\u2028\u202e\u2066\ufeff\u{e0041}😀\ud800';

  test('in structured data and in the message', () => {
    const document = {
      ...someDocument(HOSTILE, { message: HOSTILE }),
      transmit_security: { idv: { session_id: HOSTILE, page_name: 'ž' } },
    };
    const message = receive(document);
    const spelled = String.raw`a"]\ \u000a<0>1 - - - - - \u000d\u0000\u001b[31m\u007f\u009b\u2028\u202e\u2066\ufeff\udb40\udc41😀`;
    assert.equal(message.structuredData['idv@32473']?.['session'], `${spelled}\ufffd`);
    assert.equal(message.structuredData['idv@32473']?.['page'], 'ž');
    assert.equal(message.document['message'], HOSTILE);
    assert.doesNotMatch(message.raw, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  test('any text at all (property)', () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 60 });
    fc.assert(
      fc.property(anyText, anyText, anyText, (session, action, text) => {
        const document = {
          ...someDocument('id', { message: text, [text === '__proto__' ? 'x' : `x${text}`]: text }),
          event: { id: 'id', action, severity: 10 },
          transmit_security: { idv: { session_id: session } },
        };
        const message = receive(document);
        assert.deepEqual(message.document, JSON.parse(JSON.stringify(document)));
      }),
      { numRuns: 150 },
    );
  });

  test('a long value is cut in structured data only', () => {
    const session = 's'.repeat(3000);
    const message = receive({ ...someDocument('a'), transmit_security: { idv: { session_id: session } } });
    assert.equal(message.structuredData['idv@32473']?.['session'], 's'.repeat(255));
    assert.deepEqual(message.document['transmit_security'], { idv: { session_id: session } });
  });
});

describe('a message over the maximum', () => {
  const large = {
    ...someDocument('a', { message: `Unicode 😀 ${'ž'.repeat(300)}` }),
    event: { id: 'a', action: 'page_loaded', code: 'c', severity: 10, original: 'o'.repeat(1000) },
    user_agent: { original: 'u'.repeat(1000), name: 'Chrome' },
    transmit_security: { idv: { session_id: 's', params: { p: 'p'.repeat(1000) } } },
  };
  const whole = Buffer.byteLength(textOf(encode(large)));

  test('is sent whole up to the last byte', () => {
    assert.equal('tags' in receive(large, whole).document, true);
    assert.deepEqual(receive(large, whole).document, JSON.parse(JSON.stringify(large)));
    assert.notDeepEqual(receive(large, whole - 1).document, JSON.parse(JSON.stringify(large)));
  });

  test('loses event.original, then the parameters, then the user agent, then the end of its message', () => {
    const left = (maxBytes: number) => {
      const { document } = receive(large, maxBytes) as unknown as { document: typeof large & EcsDocument };
      const { event, transmit_security, user_agent, message } = document;
      assert.deepEqual(document['tags'], ['transmit_security', 'idv', 'forwarded', 'idv_truncated']);
      return [
        'original' in event,
        'params' in transmit_security.idv,
        'original' in user_agent,
        message === large.message,
      ];
    };
    assert.deepEqual(left(whole - 1), [false, true, true, true]);
    assert.deepEqual(left(whole - 1010), [false, false, true, true]);
    assert.deepEqual(left(whole - 2020), [false, false, false, true]);
    assert.deepEqual(left(whole - 3100), [false, false, false, false]);
    assert.deepEqual(large.user_agent.name, 'Chrome');
  });

  test('is cut between two characters, as late as possible, and its JSON stays whole', () => {
    for (let maxBytes = 480; maxBytes < whole - 3100; maxBytes += 1) {
      const encoded = encode(large, maxBytes);
      if ('tooLarge' in encoded) continue;
      const { document } = parseSyslogMessage(Buffer.from(encoded.text));
      const message = String(document['message']);
      assert.ok(large.message.startsWith(message.slice(0, -1)) && message.endsWith('…'), message);
      assert.ok(message.isWellFormed());
      assert.ok(encoded.bytes <= maxBytes && encoded.bytes > maxBytes - 4, `${encoded.bytes} of ${maxBytes}`);
    }
  });

  test('is refused where even the empty message does not fit', () => {
    const stubborn = { ...large, labels: { text: 'l'.repeat(8192) } };
    const encoded = encode(stubborn);
    assert.ok('tooLarge' in encoded && encoded.tooLarge > 8192 + 300);
  });

  test('carries the tag of its own stream type', () => {
    const document = { ...someDocument('a'), transmit_security: { cis: { params: { a: 'p'.repeat(9000) } } } };
    assert.ok((receive(document).document['tags'] as string[]).includes('cis_truncated'));
  });
});

describe('framing', () => {
  test('is found again whatever pieces the bytes come in', () => {
    const texts = ['a', 'ž😀'.repeat(20), 'b'.repeat(300)].map((message) =>
      textOf(encode(someDocument('a', { message }))),
    );
    const counted = Buffer.from(texts.map((text) => `${Buffer.byteLength(text)} ${text}`).join(''));
    const lines = Buffer.from(texts.map((text) => `${text}\n`).join(''));
    for (const bytes of [counted, lines]) {
      for (const size of [1, 2, 3, 7, 100, bytes.length]) {
        const unframe = new Unframe(8192);
        const found: string[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          for (const message of unframe.push(bytes.subarray(at, at + size))) found.push(message.toString());
        }
        assert.deepEqual(found, texts);
        assert.equal(unframe.pending, 0);
      }
    }
  });

  test('a wrong length is not taken', () => {
    const all = (text: string) => [...new Unframe(100).push(Buffer.from(text))];
    for (const wrong of ['x', '0 a', '01 a', '3abc', '101 a', '99999999999 a', `<${'a'.repeat(101)}`]) {
      assert.throws(() => all(wrong), /framing/, wrong);
    }
  });
});

describe('a strict receiver', () => {
  test('takes nothing but RFC 5424 with JSON', () => {
    const good = textOf(encode(someDocument('a')));
    assert.equal(parseSyslogMessage(Buffer.from(good)).id, 'a');
    const wrong: [RegExp | string, string][] = [
      ['<166>', '<192>'],
      ['<166>', '<0166>'],
      ['>1 ', '>2 '],
      ['2024-09-22T', '2024-13-22T'],
      ['.107Z', '.1071234Z'],
      ['107Z', '107z'],
      [' mosaic-siem ', '  '],
      ['idv@32473', 'idv'],
      ['id="a"', 'id="a]"'],
      ['id="a"', String.raw`id="a\n"`],
      ['] {', ']{'],
      ['] {', '] \ufeff{'],
      [/\}$/, ''],
      ['Chrome', 'Chr\u0007ome'],
      ['Chrome', 'Chr\u202eome'],
    ];
    for (const [from, to] of wrong) {
      assert.throws(() => parseSyslogMessage(Buffer.from(good.replace(from, to))), Error, `${from} as ${to}`);
    }
    assert.throws(() => parseSyslogMessage(Buffer.from([...Buffer.from(good), 0xff])), /encoded data/);
  });
});

describe('options', () => {
  test('addresses', () => {
    assert.deepEqual(parseAddress('tls://syslog.example.com'), {
      protocol: 'tls',
      host: 'syslog.example.com',
      port: 6514,
    });
    assert.deepEqual(parseAddress('tcp://10.0.0.1'), { protocol: 'tcp', host: '10.0.0.1', port: 601 });
    assert.deepEqual(parseAddress('UDP://[2001:db8::1]:5514/'), { protocol: 'udp', host: '2001:db8::1', port: 5514 });
    for (const wrong of [
      '',
      'host:514',
      'http://host',
      'tls://',
      'tls://host:0',
      'tls://host:65536',
      'tls://u:p@host',
      'tls://host/path',
    ]) {
      assert.equal(parseAddress(wrong), undefined, wrong);
    }
  });

  test('defaults', () => {
    assert.deepEqual(syslog.options.parse({ address: 'tls://host' }), {
      address: 'tls://host',
      format: 'rfc5424',
      facility: 'local4',
      app_name: 'mosaic-siem',
      confirm_after: 2000,
    });
  });

  test('mistakes', () => {
    const mistake = (more: object) => {
      const { error } = syslog.options.safeParse({ address: 'tls://host', ...more });
      assert.ok(error, JSON.stringify(more));
      return `${error.issues[0]?.path.join('.')}: ${error.issues[0]?.message}`;
    };
    assert.match(mistake({ address: 'host:514' }), /^address: expected tls:/);
    assert.match(mistake({ format: 'cef' }), /^format: rfc5424 is the only format/);
    assert.match(mistake({ framing: 'LF' }), /^framing/);
    assert.match(mistake({ facility: 'local8' }), /^facility/);
    assert.match(mistake({ app_name: 'a b' }), /^app_name: expected at most 48/);
    assert.match(mistake({ hostname: 'hôst' }), /^hostname: expected at most 255/);
    assert.match(mistake({ enterprise_number: 0 }), /^enterprise_number/);
    assert.match(mistake({ max_size: '479B' }), /^max_size: expected at least 480B/);
    assert.match(mistake({ confirm_after: 2 }), /^confirm_after: expected a duration/);
    assert.match(mistake({ confirm_after: '1h' }), /^confirm_after: expected 10ms to 5m/);
    assert.match(mistake({ address: 'udp://host', framing: 'lf' }), /^framing: has no meaning on udp/);
    assert.match(mistake({ address: 'udp://host', max_size: '64KiB' }), /^max_size: expected at most 65507B/);
    assert.match(mistake({ prset: 'sc4s' }), /nrecognized key/);
  });

  test('what map shows is what is sent, and whole where it would be refused', () => {
    const { document } = parseSyslogMessage(Buffer.from(syslog.encode.rfc5424(eventOf(someDocument('a')))));
    assert.deepEqual(document, JSON.parse(JSON.stringify(someDocument('a'))));
    const huge = { ...someDocument('a'), labels: { text: 'l'.repeat(9000) } };
    assert.ok(syslog.encode.rfc5424(eventOf(huge)).length > 9000);
  });
});
