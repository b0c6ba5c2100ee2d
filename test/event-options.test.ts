import assert from 'node:assert/strict';
import test from 'node:test';
import { isDroppable } from '../src/normalize/drop.ts';
import { redactUrl, redactUrlsInText } from '../src/normalize/redact.ts';
import { sameName, sameVersion, userAgentParser } from '../src/normalize/user-agent.ts';
import type { StreamName } from '../src/types.ts';
import { assertEcs } from './ecs-check.ts';
import { at, mapActivity, mapPage, plain, RECEIVED } from './normalize.fixtures.ts';

const FULL = {
  activity: 'redirect',
  appId: 'app-1',
  userId: 'user-1',
  ip: '192.0.2.7',
  userAgent:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
  tenant_id: 'tenant-1',
  additionalParams: {
    sessionId: 'session-1',
    redirectUrl: 'https://shop.example:8443/done?code=secret-1#top',
    deviceModel: 'iPhone 15',
    customerNote: 'note-1',
    errorDescription: 'see https://u:p@x.example/a?token=secret-2#f now',
  },
};

test('severity: the longest match wins, and every number moves with it', () => {
  const severity = {
    '*': 'low',
    'page_loaded.*': 'medium',
    'page_loaded.qr*': 'high',
    'page_loaded.qr': 'critical',
  } as const;
  const codes = { redirect: 'low', 'page_loaded.qr': 'critical', 'page_loaded.intro': 'medium' };
  for (const [code, expected] of Object.entries(codes)) {
    const [activity = '', pageName] = code.split('.');
    const event = mapActivity({ activity, additionalParams: { pageName } }, { severity });
    assert.equal(event.severity, expected, code);
    assert.equal(at(event.document, 'transmit_security.idv.severity'), expected);
  }
  const critical = mapActivity({ activity: 'page_loaded', additionalParams: { pageName: 'qr' } }, { severity });
  assert.deepEqual([critical.document.event.severity, at(critical.document, 'log.level')], [99, 'critical']);
  const [failed] = mapPage('oops', { severity: { pipeline_error: 'high' } });
  assert.equal(failed?.severity, 'high');
});

test('check results go by the word lists of the config', () => {
  const checkResult = { success: ['Fine'], failure: ['poor*'] };
  const codeOf = (word: string) =>
    mapActivity({ activity: 'check_image_quality', check_result: word }, { checkResult }).code;
  assert.deepEqual(
    ['fine', 'POORLY lit', 'ok', 'glare'].map(codeOf),
    ['success', 'failure', 'unknown', 'unknown'].map((end) => `check_image_quality.${end}`),
  );
  const byDefault = (word: string) => mapActivity({ activity: 'check_image_quality', check_result: word }).code;
  assert.deepEqual(
    ['true', 'blur_selfie', 'GLARE'].map(byDefault),
    ['success', 'failure', 'failure'].map((end) => `check_image_quality.${end}`),
  );
});

test('times: numbers, digits, ISO 8601 with and without a zone, and the window', () => {
  const ms = Date.parse(RECEIVED);
  const same = [
    ms,
    String(ms),
    '2022-12-01T01:20:41.512Z',
    '2022-12-01 01:20:41.512',
    '2022-12-01T02:20:41.512+01',
    '2022-12-01T02:20:41,512+0100',
    '2022-11-30T20:20:41.512-05:00',
  ];
  for (const timestamp of same) {
    const { document } = mapActivity({ activity: 'redirect', timestamp });
    assert.deepEqual([document['@timestamp'], (document['tags'] as string[]).length], [RECEIVED, 3], String(timestamp));
  }
  const timestampWindow = { pastMs: 1000, futureMs: 500 };
  const isGood = (shift: number) =>
    !(
      mapActivity({ activity: 'redirect', timestamp: ms + shift }, { timestampWindow }).document['tags'] as string[]
    ).includes('idv_bad_timestamp');
  assert.deepEqual([-1001, -1000, 500, 501].map(isGood), [false, true, true, false]);
});

test('drop takes the twins with it, by whatever name it is called', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['source.ip', '192.0.2.7', ['source', 'client', 'related.ip']],
    ['client.address', '192.0.2.7', ['source', 'client', 'related.ip']],
    ['ip', '192.0.2.7', ['source', 'client', 'related.ip']],
    ['source', '192.0.2.7', ['source', 'client']],
    ['userAgent', 'iPhone OS', ['user_agent.original', 'user_agent.name']],
    ['user_agent.original', 'iPhone OS', ['user_agent.original', 'user_agent.os']],
    ['app_id', 'app-1', ['transmit_security.idv.app_id']],
    ['appId', 'app-1', ['transmit_security.idv.app_id']],
    ['transmit_security.idv.app_id', 'app-1', ['transmit_security.idv.app_id']],
    ['user.id', 'user-1', ['user', 'related.user']],
    ['sessionId', 'session-1', ['transmit_security.idv.session_id', 'user']],
    ['url.full', 'shop.example', ['url', 'related.hosts', 'transmit_security.idv.redirect_host']],
    ['related.hosts', 'shop.example', ['url', 'transmit_security.idv.redirect_host']],
    ['additionalParams.redirectUrl', 'shop.example', ['url']],
    ['device.model.identifier', 'iPhone 15', ['device']],
    ['organization.*', 'tenant-1', ['organization', 'transmit_security.idv.tenant_id']],
    ['customerNote', 'note-1', ['transmit_security.idv.params']],
    ['transmit_security.idv.params.customer_note', 'note-1', ['transmit_security.idv.params']],
    ['idv.params', 'note-1', ['transmit_security.idv.params']],
    ['error.message', 'x.example', ['error']],
    ['observer.vendor', '"vendor"', ['observer.vendor']],
  ];
  for (const [name, value, gone] of cases) {
    assert.ok(isDroppable(name), name);
    assert.ok(mapActivity(FULL).json.includes(value), `${value} is there to be dropped`);
    const event = mapActivity(FULL, { drop: [name], original: true });
    assertEcs(plain(event));
    for (const path of gone) assert.equal(at(event.document, path), undefined, `${name} leaves ${path}`);
    assert.ok(!event.json.includes(value), `${name} leaves ${value}`);
    assert.equal(event.code, 'redirect');
  }
});

test('what one normalizer drops another still has', () => {
  mapActivity(FULL, { drop: ['observer.vendor', 'observer.type', 'log.level', 'event.category'] });
  const { observer, log, event } = mapActivity(FULL).document;
  assert.deepEqual(observer, {
    vendor: 'Transmit Security',
    product: 'Mosaic Identity Verification',
    type: 'identity-verification',
  });
  assert.deepEqual([log, event['category']], [{ level: 'info' }, ['web']]);
});

test('drop leaves what makes a document an event, and its id', () => {
  const needed = [
    '@timestamp',
    'event.id',
    'message',
    'tags',
    'activity',
    'timestamp',
    'event.*',
    'transmit_security',
    'transmit_security.idv',
    'idv.severity',
  ];
  for (const name of needed) assert.equal(isDroppable(name), false, name);
  assert.equal(isDroppable('sorce.ip'), false);
  const dropped = mapActivity(FULL, { drop: [...needed, 'sorce.ip'] });
  assert.deepEqual(plain(dropped), plain(mapActivity(FULL)));
  assert.equal(mapActivity(FULL, { drop: ['ip', 'idv.params', 'userId'] }).id, dropped.id);
});

test('without a session id a dropped session does not come back as the user id', () => {
  const event = mapActivity({ activity: 'redirect', userId: 'session-9' }, { drop: ['session_id'] });
  assert.ok(!event.json.includes('session-9'));
});

test('URLs keep host and path, and no value', () => {
  const cases = {
    'https://u:p@shop.example:8443/a/b?x=1&y=2#z': 'https://shop.example:8443/a/b?x=REDACTED&y=REDACTED',
    'https://shop.example/?token': 'https://shop.example/?REDACTED',
    'https://shop.example/a?x=1=2;y=3': 'https://shop.example/a?x=REDACTED',
    'myapp://callback/done?code=1': 'myapp://callback/done?code=REDACTED',
    'data:text/plain,maria': 'data:REDACTED',
    'javascript:alert(1)': 'javascript:REDACTED',
    '/done?code=1#x': '/done?code=REDACTED',
    'https://shop.example/a': 'https://shop.example/a',
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(redactUrl(text), expected);
  assert.equal(
    redactUrlsInText('at http://a.example/x?k=v, then (https://u@b.example/#f) end'),
    'at http://a.example/x?k=REDACTED then (https://b.example/ end',
  );
});

test('URLs are redacted in redirectUrl, in errorDescription and in unlisted parameters, or nowhere', () => {
  const activity = { ...FULL, activity: 'error', callback: ['https://cb.example/?state=secret-3'] };
  const redacted = mapActivity(activity, { original: true });
  assert.ok(!/secret-|u:p/.test(redacted.json), redacted.json);
  assert.equal(redacted.document.event['reason'], 'see https://x.example/a?token=REDACTED now');
  assert.equal(at(redacted.document, 'url.port'), 8443);
  assert.equal(at(redacted.document, 'url.original'), undefined);
  const open = mapActivity(activity, { redactUrls: false });
  assertEcs(plain(open));
  assert.equal(at(open.document, 'url.original'), FULL.additionalParams.redirectUrl);
  assert.equal(at(open.document, 'url.query'), 'code=secret-1');
  assert.match(open.json, /secret-3/);
});

test('a redirect that is no absolute URL is kept, redacted', () => {
  const event = mapActivity({ activity: 'redirect', x: 1, redirectUrl: '/done?code=secret#y' });
  assert.deepEqual(at(plain(event), 'transmit_security.idv.params'), { x: 1, redirect_url: '/done?code=REDACTED' });
});

test('a reason is at most 1,024 characters; the message is whole', () => {
  const event = mapActivity({ activity: 'error', errorDescription: 'd'.repeat(3000) });
  assert.equal(String(event.document.event['reason']).length, 1024);
  assert.equal(String(at(event.document, 'error.message')).length, 3000);
});

test('error names: the first that is given wins, two that differ are both kept', () => {
  const errorOf = (fields: object) => {
    const { document } = mapActivity({ activity: 'error', ...fields });
    return [
      at(document, 'error.type'),
      document.event['reason'],
      at(document, 'transmit_security.idv.error_name'),
      at(document, 'transmit_security.idv.error'),
    ];
  };
  assert.deepEqual(errorOf({ error: 'a' }), ['a', 'a', 'a', undefined]);
  assert.deepEqual(errorOf({ error_name: 'b' }), ['b', 'b', 'b', undefined]);
  assert.deepEqual(errorOf({ error: 'a', errorName: 'b' }), ['a', 'a', 'b', 'a']);
  assert.deepEqual(errorOf({ error: 'a', errorName: 'a' }), ['a', 'a', 'a', undefined]);
});

test('event.original is the text as received where nothing had to go, else without it', () => {
  const [event] = mapPage(`[ { "activity":"redirect" ,"n":1.0,"timestamp":"${RECEIVED}"} ]`, { original: true });
  assert.equal(event?.document.event['original'], `{ "activity":"redirect" ,"n":1.0,"timestamp":"${RECEIVED}"}`);
  assert.deepEqual(event.document['tags'], ['transmit_security', 'idv', 'forwarded', 'preserve_original_event']);
  const dropped = mapActivity(
    { activity: 'redirect', ip: '192.0.2.7', additional_params: { pageName: 'x', ip: 'y' } },
    { original: true, drop: ['ip'] },
  );
  assert.deepEqual(JSON.parse(String(dropped.document.event['original'])), {
    timestamp: RECEIVED,
    activity: 'redirect',
    additional_params: { pageName: 'x' },
  });
  assert.equal(mapActivity({ activity: 'redirect' }).document.event['original'], undefined);
});

test('event.original of what cannot be read: only where nothing in it may have to go', () => {
  const originalOf = (stream: StreamName, drop: readonly string[]) =>
    mapPage('oops https://x.example/?a=secret', { original: true, drop }, stream)[0]?.document.event['original'];
  assert.equal(originalOf('verify/siem', []), 'oops https://x.example/?a=REDACTED');
  assert.equal(originalOf('verify/siem', ['ip']), undefined);
  assert.equal(originalOf('cis/siem', []), undefined);
});

const PERSONAL = {
  activity: 'update_user',
  user_id: 'user-1',
  additionalParams: {
    email: {
      prev: { value: 'maria@example.com', email_verified: true },
      current: { value: 'm@example.net', email_verified: false },
    },
    birthday: { prev: '1990-01-01', current: '1990-01-02' },
    language: { current: 'xx-maria' },
    status: { prev: 'Pending', current: 'Active' },
    'e-mail': 'maria@example.org',
    e_mail: 'maria@example.net',
    contact: { 'Phone-Number': '+15550100', name: { prev: 'Maria', current: 'Mary' }, list: [{ iban: 'DE1' }] },
  },
};

test('personal data of the other stream types stays out, in event.original too', () => {
  for (const stream of ['cis/siem', 'admin/siem'] as const) {
    const event = mapActivity(PERSONAL, { original: true }, stream);
    assertEcs(plain(event));
    assert.ok(!/maria|1990|5550100|mary|DE1|m@example/i.test(event.json), event.json);
    const vendor = at(plain(event), `transmit_security.${event.code.split('.')[0]}`) as Record<string, unknown>;
    assert.deepEqual(vendor['changed_fields'], ['birthday', 'email', 'language', 'status']);
    assert.deepEqual(vendor['status'], { prev: 'Pending', current: 'Active' });
    assert.deepEqual(vendor['email_verified'], { prev: true, current: false });
    assert.ok((event.document['tags'] as string[]).includes(`${event.code.split('.')[0]}_redacted`));
  }
});

test('what a failed creation was given is named, not told', () => {
  const activity = {
    activity: 'createUserFailure',
    additional_params: { email: 'maria@example.com', username: 'maria', externalUserId: 'm-1', status_code: '409' },
  };
  const event = mapActivity(activity, { original: true }, 'cis/siem');
  assert.ok(!/maria|m-1/.test(event.json), event.json);
  assert.deepEqual(at(event.document, 'transmit_security.cis.supplied_fields'), [
    'email',
    'external_user_id',
    'username',
  ]);
  assert.deepEqual(at(plain(event), 'transmit_security.cis.params'), { status_code: '409' });
});

test('an application that acts, or is acted on, is no user', () => {
  const userOf = (fields: object) => {
    const { document } = mapActivity(
      { activity: 'createMgmtApp', actor_id: 'a', targetResourceId: 't', ...fields },
      {},
      'admin/siem',
    );
    return [document['user'], at(document, 'related.user')];
  };
  assert.deepEqual(userOf({ actor_type: 'app', target_resource_type: 'app' }), [undefined, undefined]);
  assert.deepEqual(userOf({ target_resource_type: 'tenant' }), [{ id: 'a' }, ['a']]);
  assert.deepEqual(userOf({ actorType: 'User', target_resource_type: 'user' }), [
    { id: 'a', target: { id: 't' } },
    ['a', 't'],
  ]);
});

test('a user id names a user only where a session id differs from it, and nobody on the staff', () => {
  const idsOf = (fields: object) => {
    const { document } = mapActivity({ userId: 'u', ...fields });
    return [
      at(document, 'user.id'),
      at(document, 'transmit_security.idv.session_id'),
      at(document, 'transmit_security.idv.user_id'),
    ];
  };
  assert.deepEqual(idsOf({ activity: 'redirect' }), [undefined, 'u', undefined]);
  assert.deepEqual(idsOf({ activity: 'redirect', sessionId: 'u' }), [undefined, 'u', undefined]);
  assert.deepEqual(idsOf({ activity: 'redirect', sessionId: 's' }), ['u', 's', undefined]);
  assert.deepEqual(idsOf({ activity: 'download_fraud_csv' }), [undefined, undefined, 'u']);
  assert.deepEqual(idsOf({ activity: 'download_fraud_csv', sessionId: 's' }), [undefined, 's', 'u']);
  assert.deepEqual(idsOf({ activity: 'whatever', sessionId: 'u' }), [undefined, 'u', undefined]);
});

test('user agents', () => {
  const parse = userAgentParser();
  const named = (text: string) => [parse(text).name, parse(text).version];
  assert.deepEqual(named('curl/8.1.2'), ['curl', '8.1.2']);
  assert.deepEqual(named('okhttp/4.9.3'), ['okhttp', '4.9.3']);
  assert.deepEqual(named('python-requests/2.31.0'), ['python-requests', '2.31.0']);
  assert.deepEqual(named('Go-http-client/1.1'), ['Go-http-client', '1.1']);
  assert.deepEqual(named('Mozilla/5.0'), [undefined, undefined]);
  const android =
    'Mozilla/5.0 (Linux; Android 13; SM-G991B Build/TP1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36';
  assert.deepEqual(parse(android), {
    name: 'Chrome',
    version: '129.0.0.0',
    osName: 'Android',
    osVersion: '13',
    osFrozen: false,
    device: 'SM-G991B',
  });
  const reduced =
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36';
  assert.deepEqual([parse(reduced).device, parse(reduced).osFrozen], [undefined, true]);
});

test('a parser of user agents forgets those it has not seen for longest', () => {
  const parse = userAgentParser(2);
  const [a, b] = [parse('a/1'), parse('b/1')];
  assert.equal(parse('a/1'), a);
  parse('c/1');
  assert.equal(parse('a/1'), a);
  assert.notEqual(parse('b/1'), b);
  const long = `x/1 ${'y'.repeat(2000)}`;
  assert.notEqual(parse(long), parse(long));
});

test('what the SDK says wins, and is told apart where the user agent contradicts it', () => {
  const chrome =
    'Mozilla/5.0 (Linux; Android 13; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36';
  const agree = mapActivity({
    activity: 'redirect',
    userAgent: chrome,
    browser: 'chrome mobile',
    osVersion: '13.0.1',
    deviceModel: 'SM-G991B',
  });
  const vendor = plain(agree)['transmit_security'];
  assert.deepEqual(Object.keys(at(vendor, 'idv') as object).sort(), ['activity', 'severity']);
  assert.deepEqual(
    [at(agree.document, 'user_agent.name'), at(agree.document, 'user_agent.os.version')],
    ['chrome mobile', '13.0.1'],
  );
  const differ = mapActivity({
    activity: 'redirect',
    userAgent: chrome,
    browser: 'Firefox',
    osVersion: '9',
    deviceModel: 'iPhone',
  });
  assert.deepEqual(
    ['browser', 'os_version', 'device_model'].map((name) => at(differ.document, `transmit_security.idv.${name}`)),
    ['Firefox', '9', 'iPhone'],
  );
  assert.deepEqual(
    [at(differ.document, 'user_agent.name'), at(differ.document, 'user_agent.version')],
    ['Firefox', undefined],
  );
  assert.equal(at(differ.document, 'device.model.identifier'), 'iPhone');
  assert.ok(sameName('Mobile Safari', 'safari') && !sameName('Firefox', 'Chrome'));
  assert.ok(sameVersion('14', '14.0.1') && !sameVersion('1', '14'));
});

test('a version that browsers freeze contradicts nothing', () => {
  const frozen = [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36',
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36',
  ];
  for (const userAgent of frozen) {
    const { document } = mapActivity({ activity: 'redirect', userAgent, osVersion: '14' });
    assert.equal(at(document, 'transmit_security.idv.os_version'), undefined, userAgent);
    assert.equal(at(document, 'user_agent.os.version'), '14');
  }
});

test('an address that is none stays an address, and is told', () => {
  for (const ip of ['unknown', '1.1.1.1, 2.2.2.2', 'fe80::1%eth0', '1.1.1.256', '16843009']) {
    const { document } = mapActivity({ activity: 'redirect', ip });
    assert.deepEqual(
      [document['source'], document['client'], document['related']],
      [{ address: ip }, { address: ip }, undefined],
    );
    assert.ok((document['tags'] as string[]).includes('idv_invalid_ip'));
  }
});
